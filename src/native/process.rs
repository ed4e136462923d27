//! One process that is watched: cut off from the network where this machine lets us, limited in its time and its
//! output, and gone with all that it has started.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};
use rustix::process::{Pid, Signal, kill_process_group};

/// The command of the process that stands between `unshare` and a check; no word that is mistyped is near it.
pub(crate) const CHILD: &str = "__native-child";

/// What a process may print, on both streams together.
const MOST: usize = 1 << 20;

/// How long it takes at most until an end, a limit or an interrupt is seen.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// The exit status by which shells say that there is no such program.
pub(super) const NOT_FOUND: u8 = 127;
/// The one by which they say that a program cannot be run.
const NOT_RUN: u8 = 126;

/// The options of `unshare` (util-linux), the best first. Without a user namespace, which only root may do without, a tool
/// can change its user, as those of Postfix do. A process namespace also ends what has left the process group; with a
/// `/proc` of its own a check sees no other process and their variables, and what it mounts is gone with it.
const OPTIONS: [&[&str]; 6] = [
    &["--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
    &["--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
    &["--net", "--pid", "--fork", "--kill-child"],
    &["--map-root-user", "--net", "--pid", "--fork", "--kill-child"],
    &["--net"],
    &["--map-root-user", "--net"],
];

/// How checks are cut off from the network.
#[derive(Debug, Clone)]
pub(crate) struct Isolation {
    /// This program.
    executable: OsString,
    /// Where programs are looked up.
    path: OsString,
    /// The options of `unshare`; nothing where this machine does not let us.
    options: Option<&'static [&'static str]>,
}

impl Isolation {
    /// Finds out what this machine allows.
    pub(crate) fn find(executable: OsString, path: OsString) -> Self {
        let mut isolation = Self { executable, path, options: None };
        isolation.options = OPTIONS.into_iter().find(|options| {
            let tried = isolation
                .unshare(options)
                .arg(&isolation.executable)
                .arg("--version")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            tried.is_ok_and(|status| status.success())
        });
        isolation
    }

    /// Whether checks are cut off.
    pub(crate) fn is_there(&self) -> bool {
        self.options.is_some()
    }

    fn unshare(&self, options: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", &self.path).args(options).arg("--");
        command
    }

    /// A process for a command, in a folder that is its working folder and its home.
    pub(super) fn command(&self, words: &[String], folder: &Utf8Path, temporary: &Utf8Path) -> Command {
        let mut command = if let Some(options) = self.options {
            let mut command = self.unshare(options);
            command.arg(&self.executable).args([CHILD, "--loopback"]);
            command
        } else {
            let mut command = Command::new(&self.executable);
            command.arg(CHILD);
            command
        };
        command
            .arg("--")
            .args(words)
            .current_dir(folder)
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", folder)
            .env("TMPDIR", temporary)
            .env("LC_ALL", "C");
        command
    }
}

/// Becomes a check: gives its network a loopback interface, and runs it in the place of this process. Returns the exit
/// status, and why, where that fails.
pub(crate) fn become_check(loopback: bool, words: &[OsString]) -> (u8, String) {
    if loopback && let Err(error) = raise_loopback() {
        return (NOT_RUN, format!("the loopback interface cannot be raised: {error}"));
    }
    let Some((program, arguments)) = words.split_first() else { return (NOT_RUN, "no command".to_owned()) };
    let error = Command::new(program).args(arguments).exec();
    let program = program.to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound => (NOT_FOUND, format!("there is no program `{program}`")),
        _ => (NOT_RUN, format!("`{program}` cannot be run: {error}")),
    }
}

/// Asks the kernel to raise `lo`, which has the number 1 in every new network: rtnetlink(7), a header and an
/// `ifinfomsg`.
fn raise_loopback() -> io::Result<()> {
    const LENGTH: u32 = 32;
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    let mut message = Vec::new();
    message.extend(LENGTH.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    // Sequence and sender; then family, padding and type: none of them matter.
    message.extend([0; 12]);
    message.extend(1_u32.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    // Without a protocol it is NETLINK_ROUTE.
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0; 64];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    // An nlmsgerr: a header of 16 bytes, and the negative number of the error.
    let error = answer[..length].get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match error {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With an exit status.
    Status(i32),
    /// By a signal.
    Signal(i32),
    /// It took too long.
    Late,
    /// It printed too much.
    Flood,
    /// We were asked to stop.
    Stopped,
}

/// What a process has printed, and how it ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) end: End,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Runs a process to its end. Nothing of its process group is left then.
pub(super) fn run(command: &mut Command, time: Duration, stop: &AtomicBool) -> io::Result<Ran> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let watched = watch(&mut child, begun, time, stop);
    // A group is there as long as its first process is not waited for; what it has started may be there still.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait()?;
    let (mut ran, mut pipes) = watched?;
    // What is left in the pipes; nobody is waited for who has left the group and holds them open.
    pipes.drain(&mut ran)?;
    if ran.stdout.len() + ran.stderr.len() > MOST {
        ran.end = End::Flood;
    }
    ran.end = match ran.end {
        End::Status(_) => ended(status),
        end => end,
    };
    Ok(ran)
}

fn ended(status: ExitStatus) -> End {
    status.code().map_or(End::Signal(status.signal().unwrap_or_default()), End::Status)
}

/// Reads what a process prints until it has ended, or has to be ended.
fn watch(child: &mut Child, begun: Instant, time: Duration, stop: &AtomicBool) -> io::Result<(Ran, Pipes)> {
    let mut ran = Ran { end: End::Status(0), stdout: Vec::new(), stderr: Vec::new() };
    let mut pipes = Pipes::of(child)?;
    loop {
        pipes.wait()?;
        pipes.drain(&mut ran)?;
        let end = if stop.load(Ordering::Relaxed) {
            End::Stopped
        } else if ran.stdout.len() + ran.stderr.len() > MOST {
            End::Flood
        } else if has_ended(child)? {
            End::Status(0)
        } else if begun.elapsed() >= time {
            End::Late
        } else {
            continue;
        };
        ran.end = end;
        return Ok((ran, pipes));
    }
}

/// Whether a process has ended; it is not waited for, so that its number stays its own.
fn has_ended(child: &Child) -> io::Result<bool> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return Ok(true) };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

/// The ends of the pipes that a process prints into, while they are open.
struct Pipes {
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<std::process::ChildStderr>,
}

impl Pipes {
    fn of(child: &mut Child) -> io::Result<Self> {
        let pipes = Self { stdout: child.stdout.take(), stderr: child.stderr.take() };
        for pipe in pipes.open() {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(pipes)
    }

    fn open(&self) -> impl Iterator<Item = rustix::fd::BorrowedFd<'_>> {
        let stdout = self.stdout.as_ref().map(AsFd::as_fd);
        stdout.into_iter().chain(self.stderr.as_ref().map(AsFd::as_fd))
    }

    /// Waits until there is something to read, for a moment at most.
    fn wait(&self) -> io::Result<()> {
        let mut fds: Vec<PollFd<'_>> =
            self.open().map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&PAUSE)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn drain(&mut self, ran: &mut Ran) -> io::Result<()> {
        drain(&mut self.stdout, &mut ran.stdout)?;
        drain(&mut self.stderr, &mut ran.stderr)
    }
}

/// Reads what is there, and not much more than what may be.
fn drain(pipe: &mut Option<impl Read>, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(reader) = pipe else { return Ok(()) };
    let mut buffer = [0; 1 << 13];
    while into.len() <= MOST {
        match reader.read(&mut buffer) {
            Ok(0) => {
                *pipe = None;
                return Ok(());
            }
            Ok(count) => into.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, time: Duration) -> Ran {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(&mut command, time, &AtomicBool::new(false)).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn how_a_process_ends() {
        let ran = shell("echo out; echo err >&2; exit 3", LONG);
        assert_eq!((ran.end, &*ran.stdout, &*ran.stderr), (End::Status(3), &b"out\n"[..], &b"err\n"[..]));
        assert_eq!(shell("kill -TERM $$", LONG).end, End::Signal(15));
        assert_eq!(shell("exec sleep 1000", Duration::from_millis(50)).end, End::Late);
        assert_eq!(shell("yes", LONG).end, End::Flood);
        assert_eq!(shell("yes >&2", LONG).end, End::Flood);
        let stopped = run(Command::new("sleep").arg("1000"), LONG, &AtomicBool::new(true)).unwrap();
        assert_eq!(stopped.end, End::Stopped);
    }

    #[test]
    fn what_it_has_started_is_gone_with_it() {
        // The sleeper holds the pipes open, and would be waited for if it stayed.
        let ran = shell("sleep 1000 & echo $!", LONG);
        assert_eq!(ran.end, End::Status(0));
        let pid: i32 = String::from_utf8(ran.stdout).unwrap().trim().parse().unwrap();
        // Whoever has adopted it waits for it; until then the kernel knows it as a zombie, which takes signals too.
        let state = || {
            let place = camino::Utf8PathBuf::from(format!("{pid}/stat"));
            let bytes =
                crate::source::World::read(&crate::source::Disk::new("/proc"), &place).unwrap_or_default();
            String::from_utf8_lossy(&bytes).rsplit(") ").next().and_then(|rest| rest.chars().next())
        };
        let is_there = || !matches!(state(), None | Some('Z'));
        // It is killed by now, and ends when its turn comes.
        while is_there() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn nobody_is_waited_for_who_has_left() {
        // The sleeper is in a group of its own, and still holds the pipes.
        let ran = shell("setsid sleep 1000 & echo $!", LONG);
        assert_eq!(ran.end, End::Status(0));
        let pid: i32 = String::from_utf8(ran.stdout).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
}
