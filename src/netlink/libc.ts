// SPDX-License-Identifier: Apache-2.0

import { endianness } from "node:os";
import koffi from "koffi";
import { errorFromErrno, NetlinkError } from "./error.ts";

/**
 * The system calls that Node.js does not provide. Only this file uses koffi. Each call throws the `NetlinkError` of
 * its errno unless stated otherwise; none blocks, so all of them run on the calling thread.
 */

export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const AF_INET_SOCKET = 2;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
/** Close-on-exec and non-blocking: socket(2) flags, the same on x86-64 and arm64. */
const SOCK_CLOEXEC_NONBLOCK = 0o2004000;
/** recv(2): with MSG_TRUNC the result is the datagram's length, also where the buffer is shorter. */
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const CLONE_NEWNET = 0x4000_0000;
/** ioctl(2) on a namespace: its kind (ioctl_nsfs(2), 4.11). */
const NS_GET_NSTYPE = 0xb703;
/** ioctl(2) on a socket: a descriptor of its network namespace (linux/sockios.h, 4.10). */
const SIOCGSKNS = 0x894c;
/** madvise(2): the pages are not needed; the next access reads them from the mapped file again. */
const MADV_DONTNEED = 4;
const EINTR = 4;
const EAGAIN = 11;
const ENOBUFS = 105;

interface Libc {
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number;
  readonly send: ((fd: number, data: Uint8Array, length: number, flags: number) => number) & {
    readonly async: SendAsync;
  };
  readonly sendto: (
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
    to: Uint8Array,
    size: number,
  ) => number;
  readonly recv: (fd: number, data: Uint8Array, length: number, flags: number) => number;
  readonly setns: (fd: number, kind: number) => number;
  readonly memcpy: (to: Uint8Array | bigint, from: Uint8Array | bigint, length: number) => bigint;
  readonly ioctl: (fd: number, request: number, type: string, argument: unknown) => number;
  readonly madvise: (address: number, length: number, advice: number) => number;
}

/** koffi's function to make a call on a thread of libuv's pool. The result has no errno: that belongs to the thread. */
type SendAsync = (
  fd: number,
  data: bigint,
  length: number,
  flags: number,
  done: (error: Error | null, result: number) => void,
) => void;

let loaded: Libc | undefined;

/** Loaded at first use: importing only types or codecs costs nothing, and works without Linux. */
function libc(): Libc {
  if (loaded === undefined) {
    if (endianness() !== "LE") throw new NetlinkError("unsupported", "libc", "this machine is big-endian");
    const self = koffi.load(null);
    loaded = {
      socket: self.func("int socket(int domain, int type, int protocol)"),
      bind: self.func("int bind(int fd, const uint8_t *address, uint32_t length)"),
      setsockopt: self.func("int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)"),
      send: self.func("long send(int fd, const uint8_t *data, ulong length, int flags)"),
      sendto: self.func(
        "long sendto(int fd, const uint8_t *data, ulong length, int flags, const uint8_t *to, uint32_t size)",
      ),
      recv: self.func("long recv(int fd, uint8_t *data, ulong length, int flags)"),
      setns: self.func("int setns(int fd, int kind)"),
      memcpy: self.func("void *memcpy(void *to, const void *from, ulong length)"),
      ioctl: self.func("int ioctl(int fd, ulong request, ...)"),
      madvise: self.func("int madvise(uintptr_t address, ulong length, int advice)"),
    };
  }
  return loaded;
}

function check(operation: string, result: number): number {
  if (result < 0) throw errorFromErrno(operation, koffi.errno());
  return result;
}

/** socket(2), never blocking, in the network namespace the thread is in. Close it with `fs.closeSync`. */
export function openSocket(domain: number, type: number, protocol: number): number {
  return check("socket", libc().socket(domain, type | SOCK_CLOEXEC_NONBLOCK, protocol));
}

/** bind(2) with the bytes of a struct sockaddr. */
export function bind(fd: number, address: Uint8Array): void {
  check("bind", libc().bind(fd, address, address.length));
}

/** setsockopt(2) with an int. */
export function setOption(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  check("setsockopt", libc().setsockopt(fd, level, name, bytes, bytes.length));
}

/** send(2). A datagram socket sends all or nothing. */
export function send(fd: number, data: Uint8Array): void {
  check("send", libc().send(fd, data, data.length, 0));
}

/**
 * madvise(2) with MADV_DONTNEED. Only for mappings of a file that have not been written to: written data would be
 * lost. Both are multiples of the page size.
 */
export function discardPages(address: number, length: number): void {
  check("madvise", libc().madvise(address, length, MADV_DONTNEED));
}

/** send(2) on a thread of libuv's pool, for calls in which the kernel may sleep. Rejects with `system`. */
export function sendOnPool(fd: number, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // Memory allocated by C: a buffer's address is not guaranteed to be valid beyond a synchronous call.
    const memory = nativeCopy(data);
    libc().send.async(fd, memory, data.length, 0, (error, result) => {
      koffi.free(memory);
      if (error === null && result === data.length) resolve();
      else reject(new NetlinkError("system", "send", error?.message ?? "not taken", { cause: error ?? undefined }));
    });
  });
}

function nativeCopy(data: Uint8Array): bigint {
  const memory: bigint = koffi.alloc("uint8_t", data.length);
  libc().memcpy(memory, data, data.length);
  return memory;
}

/** sendto(2) with the bytes of a struct sockaddr. */
export function sendTo(fd: number, data: Uint8Array, to: Uint8Array): void {
  check("sendto", libc().sendto(fd, data, data.length, 0, to, to.length));
}

/**
 * recv(2) without waiting. Returns the datagram's length, which is more than `into.length` if it did not fit; "empty"
 * if there is none; "overrun" if the kernel had to drop datagrams (ENOBUFS), which it reports once.
 */
export function receive(fd: number, into: Uint8Array): number | "empty" | "overrun" {
  for (;;) {
    const result = libc().recv(fd, into, into.length, MSG_DONTWAIT | MSG_TRUNC);
    if (result >= 0) return result;
    const errno = koffi.errno();
    if (errno === EAGAIN) return "empty";
    if (errno === ENOBUFS) return "overrun";
    if (errno !== EINTR) throw errorFromErrno("recv", errno);
  }
}

/** setns(2): moves the calling *thread* into a network namespace. Use `withNetns`, which returns it. */
export function setNetns(fd: number): void {
  check("setns", libc().setns(fd, CLONE_NEWNET));
}

/** Whether the descriptor is of a network namespace. Does not throw. */
export function isNetns(fd: number): boolean {
  return libc().ioctl(fd, NS_GET_NSTYPE, "int", 0) === CLONE_NEWNET;
}

/** A new descriptor of the network namespace that a socket belongs to. */
export function netnsOfSocket(fd: number): number {
  return check("ioctl SIOCGSKNS", libc().ioctl(fd, SIOCGSKNS, "int", 0));
}

/**
 * ioctl(2) whose argument is a struct that contains a pointer (struct ifreq): the address of `pointee` is written, 8
 * bytes, at `offset` of `argument`. The kernel may write to both.
 */
export function ioctlWithPointer(
  operation: string,
  fd: number,
  request: number,
  argument: Buffer,
  offset: number,
  pointee: Buffer,
): void {
  const memory = nativeCopy(pointee);
  try {
    argument.writeBigUInt64LE(memory, offset);
    check(operation, libc().ioctl(fd, request, "uint8_t *", argument));
    libc().memcpy(pointee, memory, pointee.length);
  } finally {
    koffi.free(memory);
  }
}

/** A watch of a descriptor, until closed. */
export interface Readiness {
  close(): void;
  /** Allows the process to exit while this is open. */
  unref(): void;
  /** Reverts `unref`. */
  ref(): void;
}

/**
 * Calls back whenever the descriptor is readable, from Node's own event loop (libuv's uv_poll, through koffi's
 * `node.poll`): no thread waits and nothing polls. `net.Socket({ fd })` refuses AF_NETLINK, and a thread blocked in
 * recv would occupy one of libuv's four.
 *
 * libuv calls back outside of any JavaScript frame: an exception there stalls the handle, and promises settled there
 * are not continued until something else happens. So the call is only recorded, and `onReadable` runs as an
 * immediate, in the same turn of the loop. It must read until nothing is left, or it is called again.
 */
export function watchReadable(fd: number, onReadable: () => void): Readiness {
  let open = true;
  let noted = false;
  let stopped = false;
  // koffi's types omit the first argument, libuv's status. It is negative when the descriptor has a pending error
  // (ENOBUFS after an overrun), and then libuv has stopped watching.
  const onPoll = (status: unknown) => {
    if (typeof status === "number" && status < 0) stopped = true;
    if (noted || !open) return;
    noted = true;
    setImmediate(() => {
      noted = false;
      try {
        if (open) onReadable();
      } finally {
        // The error has been read, so it is not reported again at once.
        if (open && stopped) handle.start({ readable: true }, onPoll);
        stopped = false;
      }
    });
  };
  const handle = koffi.node.poll(fd, { readable: true }, onPoll);
  return {
    close: () => {
      if (!open) return;
      open = false;
      handle.close();
    },
    unref: () => handle.unref(),
    ref: () => handle.ref(),
  };
}
