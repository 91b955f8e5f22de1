//! The system calls a plugin may not make. A list of refusals, not of permissions: media and GPU libraries use
//! too much of the kernel for the other way round.

use reelmill_protocol::Confinement;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;

/// No stage has a reason for these: the process is killed by SIGSYS, which the worker reports as
/// `sandbox_denied`.
const KILLED: &[libc::c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_open_by_handle_at,
];

/// Libraries try these and go on without: they fail with "permission denied".
const REFUSED: &[libc::c_long] = &[
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

/// `clone` flags that make new namespaces.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Installs the filters for this thread and all it starts. `starts_program`: the process itself must start a
/// program, so file permissions alone say which.
pub fn restrict(confinement: &Confinement, starts_program: bool) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("seccomp refused the filter: {error}");
    let killed: Rules = KILLED.iter().map(|call| (*call, Vec::new())).collect();
    let refused = refused(confinement, starts_program).map_err(|e| failed(&e))?;
    // clone3 hides its flags in memory that a filter cannot read; without it, libraries use clone.
    let absent: Rules = [(libc::SYS_clone3, Vec::new())].into();
    for (rules, action) in [
        (killed, SeccompAction::KillProcess),
        (refused, SeccompAction::Errno(libc::EACCES as u32)),
        (absent, SeccompAction::Errno(libc::ENOSYS as u32)),
    ] {
        let program = compile(rules, action).map_err(|e| failed(&e))?;
        seccompiler::apply_filter(&program).map_err(|e| failed(&e))?;
    }
    Ok(())
}

fn refused(confinement: &Confinement, starts_program: bool) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    if !confinement.exec && !starts_program {
        rules.insert(libc::SYS_execve, Vec::new());
        rules.insert(libc::SYS_execveat, Vec::new());
    }
    if !confinement.net {
        // GPU drivers talk to their daemons over Unix sockets; everyone else needs no socket at all.
        let sockets = if confinement.gpu {
            let not_unix = condition(SeccompCmpOp::Ne, libc::AF_UNIX)?;
            vec![SeccompRule::new(vec![not_unix])?]
        } else {
            Vec::new()
        };
        rules.insert(libc::SYS_socket, sockets);
    }
    let namespaces: Result<_, _> = NAMESPACES
        .iter()
        .map(|flag| {
            let mask = u64::from(flag.unsigned_abs());
            SeccompRule::new(vec![condition(SeccompCmpOp::MaskedEq(mask), *flag)?])
        })
        .collect();
    rules.insert(libc::SYS_clone, namespaces?);
    Ok(rules)
}

/// A condition on a call's first argument.
fn condition(op: SeccompCmpOp, value: libc::c_int) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(0, SeccompCmpArgLen::Dword, op, u64::from(value.unsigned_abs()))
}

fn compile(rules: Rules, on_match: SeccompAction) -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, on_match, arch)?.try_into()
}
