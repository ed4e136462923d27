//! Hashing beside the work that makes the bytes: what is long is hashed by a thread of its own.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use crate::manifest::{Fingerprint, State};

/// Bytes from which on a thread is worth its start.
const LONG: u64 = 4 * 1024 * 1024;

/// How many pieces may wait for the thread.
const WAITING: usize = 3;

/// A fingerprint that may be taken in a thread.
#[derive(Default)]
pub(super) struct Hashing {
    bytes: u64,
    /// What was hashed so far, unless a thread has it.
    own: Fingerprint,
    worker: Option<Worker>,
    /// The states that were asked for, but for those that the thread has.
    states: Vec<State>,
    /// Memory for bytes that no thread has.
    spare: Vec<u8>,
    /// Whether there can be no thread, or none that would run beside this one.
    alone: bool,
}

struct Worker {
    work: SyncSender<Work>,
    /// Pieces that were hashed, to be filled again.
    spent: Receiver<Vec<u8>>,
    thread: JoinHandle<(Fingerprint, Vec<State>)>,
}

/// What the thread is to do.
enum Work {
    /// Take a piece in.
    Piece(Vec<u8>),
    /// Note the state.
    Note,
    /// Go on from another state.
    GoTo(Fingerprint),
}

impl Hashing {
    /// Takes some bytes in.
    pub(super) fn update(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        let Some(worker) = self.worker() else {
            self.own.update(bytes);
            return Ok(());
        };
        let mut piece = worker.spent.try_recv().unwrap_or_default();
        piece.clear();
        piece.extend_from_slice(bytes);
        worker.work.send(Work::Piece(piece)).map_err(|_| ended())
    }

    /// Takes as many bytes in as `fill` is given to write.
    pub(super) fn fill(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.bytes += length as u64;
        let spent = self.worker().and_then(|worker| worker.spent.try_recv().ok());
        let mut piece = spent.unwrap_or_else(|| std::mem::take(&mut self.spare));
        piece.resize(length, 0);
        fill(&mut piece)?;
        if let Some(worker) = &self.worker {
            return worker.work.send(Work::Piece(piece)).map_err(|_| ended());
        }
        self.own.update(&piece);
        self.spare = piece;
        Ok(())
    }

    /// The thread, which is started when there is much.
    fn worker(&mut self) -> Option<&Worker> {
        if self.worker.is_none() && self.bytes >= LONG && !self.alone {
            let beside = thread::available_parallelism().map_or(1, usize::from) > 1;
            self.worker = if beside { Worker::start(&mut self.own) } else { None };
            self.alone = self.worker.is_none();
        }
        self.worker.as_ref()
    }

    /// Notes the state behind all bytes so far.
    pub(super) fn note(&mut self) -> io::Result<()> {
        match &self.worker {
            Some(worker) => worker.work.send(Work::Note).map_err(|_| ended())?,
            None => self.states.push(self.own.state()),
        }
        Ok(())
    }

    /// Goes on from the state that more bytes have.
    pub(super) fn go_to(&mut self, state: &State) -> io::Result<()> {
        self.bytes = state.bytes();
        match &self.worker {
            Some(worker) => worker.work.send(Work::GoTo(state.into())).map_err(|_| ended())?,
            None => self.own = state.into(),
        }
        Ok(())
    }

    /// The states that were noted, in order, once the fingerprint was asked for.
    pub(super) fn states(&mut self) -> Vec<State> {
        std::mem::take(&mut self.states)
    }

    /// The number of bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The fingerprint of all bytes so far; waits for the thread, if there is one.
    pub(super) fn fingerprint(&mut self) -> io::Result<Fingerprint> {
        if let Some(Worker { work, thread, .. }) = self.worker.take() {
            drop(work);
            let (own, states) = thread.join().map_err(|_| ended())?;
            self.own = own;
            self.states.extend(states);
        }
        Ok(self.own.clone())
    }
}

impl Worker {
    /// Starts a thread that goes on with a fingerprint; nothing where there can be no thread.
    fn start(own: &mut Fingerprint) -> Option<Self> {
        let (work, waiting) = sync_channel(WAITING);
        let (back, spent) = channel();
        let mut fingerprint = own.clone();
        let hash = move || {
            let mut states = Vec::new();
            for work in waiting {
                match work {
                    Work::Piece(piece) => {
                        fingerprint.update(&piece);
                        // Nobody may want it any more.
                        let _ = back.send(piece);
                    }
                    Work::Note => states.push(fingerprint.state()),
                    Work::GoTo(other) => fingerprint = other,
                }
            }
            (fingerprint, states)
        };
        let thread = thread::Builder::new().name("hash".into()).spawn(hash).ok()?;
        Some(Self { work, spent, thread })
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that hashes has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_give_what_one_pass_gives() {
        for alone in [false, true] {
            let mut hashing = Hashing { alone, ..Hashing::default() };
            let mut whole = Fingerprint::default();
            let piece: Vec<u8> = (0..=255).cycle().take(300_007).collect();
            for round in 0..40 {
                hashing.update(&piece).unwrap();
                whole.update(&piece);
                // Before there is a thread, in the midst, and behind it.
                if [0, 13, 14, 39].contains(&round) {
                    assert_eq!(hashing.worker.is_none(), hashing.alone || round < 13);
                    assert_eq!(hashing.bytes(), whole.bytes());
                    assert_eq!(hashing.fingerprint().unwrap().sha256(), whole.clone().sha256());
                }
            }
            assert!(hashing.bytes() > 2 * LONG);
        }
    }

    #[test]
    fn a_hash_goes_on_from_a_state() {
        for alone in [false, true] {
            let mut hashing = Hashing { alone, ..Hashing::default() };
            let piece: Vec<u8> = (0..=255).cycle().take(300_007).collect();
            for _ in 0..20 {
                hashing.note().unwrap();
                hashing.update(&piece).unwrap();
            }
            let all = hashing.fingerprint().unwrap().sha256();
            let states = hashing.states();
            assert_eq!(states.len(), 20);
            for (at, state) in states.iter().enumerate().step_by(6) {
                assert_eq!(state.bytes(), (at * piece.len()) as u64);
                let read = State::read(state.written(), state.bytes()).unwrap();
                let mut hashing = Hashing { alone, ..Hashing::default() };
                hashing.fill(if at > 10 { 5_000_000 } else { 0 }, |_| Ok(())).unwrap();
                hashing.go_to(&read).unwrap();
                for round in at..20 {
                    let whole = |part: &mut [u8]| {
                        part.copy_from_slice(&piece);
                        Ok(())
                    };
                    match round % 2 {
                        0 => hashing.update(&piece).unwrap(),
                        _ => hashing.fill(piece.len(), whole).unwrap(),
                    }
                }
                assert_eq!(hashing.fingerprint().unwrap().sha256(), all);
            }
        }
        assert_eq!(State::read(b"short", 1), None);
    }
}
