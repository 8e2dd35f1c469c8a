/*
 * Lets User-Mode Linux 6.1 run on processors with AMX. It is preloaded into that
 * kernel, and replaces ptrace.
 *
 * User-Mode Linux stores 2696 bytes of a process's extended state, which is enough
 * up to AVX-512. The kernel of the host accepts only the whole state, which has
 * 11 kB with AMX. This library is loaded with LD_PRELOAD. It reads the current
 * state of the process, and replaces only the part that User-Mode Linux stores.
 * The rest may keep its current value, because no guest uses AMX.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

long ptrace(enum __ptrace_request request, ...) {
  static long (*real)(enum __ptrace_request, pid_t, void *, void *);
  if (!real) real = dlsym(RTLD_NEXT, "ptrace");
  va_list list;
  va_start(list, request);
  pid_t pid = va_arg(list, pid_t);
  void *addr = va_arg(list, void *);
  void *data = va_arg(list, void *);
  va_end(list);
  if (request != PTRACE_SETREGSET || (long)addr != NT_X86_XSTATE) return real(request, pid, addr, data);

  static char state[64 << 10] __attribute__((aligned(64)));
  struct iovec whole = {state, sizeof state}, *part = data;
  if (real(PTRACE_GETREGSET, pid, addr, &whole) < 0) return -1;
  if (whole.iov_len <= part->iov_len) return real(request, pid, addr, data);
  memcpy(state, part->iov_base, part->iov_len);
  return real(request, pid, addr, &whole);
}
