/*
 * Loaded before libfaketime, which shows the real clock to signal handlers that interrupt its own epoll_wait. PostgreSQL waits there,
 * and would find that none of its timeouts is due yet: statement_timeout, lock_timeout and deadlock_timeout would never come.
 */
long syscall(long number, ...);

#ifdef __x86_64__
#define EPOLL_PWAIT 281
#else
#define EPOLL_PWAIT 22
#endif
#define SIGNAL_SET_BYTES 8

int epoll_wait(int queue, void *events, int most, int timeout_ms) {
  return (int)syscall(EPOLL_PWAIT, queue, events, most, timeout_ms, (void *)0, SIGNAL_SET_BYTES);
}
