/* SPDX-License-Identifier: MIT */
#include "sandbox.h"
#include <errno.h>
#include <gio/gio.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Bytes of a file that a job may write */
static const rlim_t MAX_FILE = (rlim_t) 2 << 30;

/* Calls that fail with EPERM (a pair of sockets leads nowhere, and GStreamer
 * wakes its threads with one).  What is not named stays allowed: drivers of
 * GPUs ask for much and differ, and a filter that names what is allowed would
 * end a job after an update of one. */
static const int refused[] = {SCMP_SYS (socket), SCMP_SYS (connect),
    SCMP_SYS (bind), SCMP_SYS (listen), SCMP_SYS (accept), SCMP_SYS (accept4),
    SCMP_SYS (execve), SCMP_SYS (execveat), SCMP_SYS (ptrace),
    SCMP_SYS (process_vm_readv), SCMP_SYS (process_vm_writev), SCMP_SYS (kill),
    SCMP_SYS (tkill), SCMP_SYS (rt_sigqueueinfo), SCMP_SYS (rt_tgsigqueueinfo),
    SCMP_SYS (pidfd_open), SCMP_SYS (pidfd_send_signal), SCMP_SYS (mount),
    SCMP_SYS (umount2), SCMP_SYS (pivot_root), SCMP_SYS (chroot),
    SCMP_SYS (setns), SCMP_SYS (unshare), SCMP_SYS (bpf),
    SCMP_SYS (perf_event_open), SCMP_SYS (io_uring_setup),
    SCMP_SYS (userfaultfd), SCMP_SYS (keyctl), SCMP_SYS (add_key),
    SCMP_SYS (request_key), SCMP_SYS (init_module), SCMP_SYS (finit_module),
    SCMP_SYS (kexec_load), SCMP_SYS (reboot), SCMP_SYS (symlink),
    SCMP_SYS (symlinkat), SCMP_SYS (chown), SCMP_SYS (fchown),
    SCMP_SYS (lchown), SCMP_SYS (fchownat), SCMP_SYS (mknod),
    SCMP_SYS (mknodat)};

static gboolean
fail (const char *what, int code, GError **error)
{
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code),
      "the worker's sandbox: %s: %s", what, g_strerror (code));
  return FALSE;
}

static gboolean
filter_calls (GError **error)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
  int code = filter ? 0 : -ENOMEM;

  if (!code) /* threads that run already, too */
    code = seccomp_attr_set (filter, SCMP_FLTATR_CTL_TSYNC, 1);
  for (guint i = 0; i < G_N_ELEMENTS (refused) && !code; i++)
    code = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), refused[i], 0);
  /* abort() is its own end, and its limits its own: not those of others */
  if (!code)
    code = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM), SCMP_SYS (tgkill),
        1, SCMP_A0 (SCMP_CMP_NE, (scmp_datum_t) getpid ()));
  if (!code)
    code = seccomp_rule_add (filter, SCMP_ACT_ERRNO (EPERM),
        SCMP_SYS (prlimit64), 1, SCMP_A0 (SCMP_CMP_NE, 0));
  if (!code)
    code = seccomp_load (filter);
  seccomp_release (filter);
  return !code || fail ("calls cannot be filtered", -code, error);
}

gboolean
sandbox_enter (GError **error)
{
  const struct rlimit none = {0, 0};
  struct rlimit file;

  /* a file beyond the limit is an error of write(), not the end */
  signal (SIGXFSZ, SIG_IGN);
  if (getrlimit (RLIMIT_FSIZE, &file) != 0)
    return fail ("limits cannot be asked for", errno, error);
  file.rlim_cur = file.rlim_max = MIN (MAX_FILE, file.rlim_cur);
  if (setrlimit (RLIMIT_FSIZE, &file) != 0 ||
      setrlimit (RLIMIT_CORE, &none) != 0)
    return fail ("limits cannot be set", errno, error);
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return fail ("privileges cannot be given up", errno, error);
  return filter_calls (error);
}
