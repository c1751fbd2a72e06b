# SPDX-License-Identifier: Apache-2.0
"""For the findings that make packets with python3-minimal: a script copies it to the sandbox."""

import socket
import struct


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo(a, b, protocol, length):
    """What a checksum covers in front of the payload, for packed addresses; nothing for ICMP in IPv4."""
    if protocol == 1:
        return b""
    return a + b + (struct.pack("!IHBB", length, 0, 0, protocol) if len(a) == 16 else struct.pack("!BBH", 0, protocol, length))


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def frame(source, destination, protocol, payload, at, extension=None):
    """An Ethernet frame, in hexadecimal digits. `at`: where the payload's checksum is. `extension`: an IPv6 extension header without its first byte, and its number."""
    a, b = packed(source), packed(destination)
    sum_ = checksum(pseudo(a, b, protocol, len(payload)) + payload)
    payload = payload[:at] + struct.pack("!H", sum_) + payload[at + 2 :]
    if len(a) == 16:
        header, number = extension or (b"", protocol)
        if header:
            payload = bytes([protocol]) + header + payload
        return "02000000000202000000000186dd" + (struct.pack("!IHBB", 6 << 28, len(payload), number, 64) + a + b + payload).hex()
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + a + b
    return "0200000000020200000000010800" + (head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload).hex()


def last(path):
    """The last packet of a file in pcap format, without its Ethernet header."""
    with open(path, "rb") as file:
        data = file.read()[24:]
    packet = b""
    while data:
        (length,) = struct.unpack("<I", data[8:12])
        packet, data = data[16 : 16 + length], data[16 + length :]
    return packet[14:]


def udp(port, size=40):
    """A datagram from port 40000; its checksum is at 6."""
    return struct.pack("!HHHH", 40000, port, 8 + size, 0) + bytes(size)


def tcp_syn(port):
    """A SYN from port 40000; its checksum is at 16."""
    return struct.pack("!HHIIBBHHH", 40000, port, 1000, 0, 0x50, 2, 8192, 0, 0)
