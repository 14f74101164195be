//! What the same bytes cost without any protocol: write(2) to as many sockets, read by one epoll loop.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::epoll;
use rustix::time::{ClockId, clock_gettime};

/// What one round over all sockets took.
#[derive(Clone, Debug)]
pub(crate) struct Floor {
    /// From the first write to the last byte read, the median of all rounds.
    pub(crate) median: Duration,
    /// The 99th percentile.
    pub(crate) p99: Duration,
    /// Processor time of the writer for each socket and round.
    pub(crate) cpu: Duration,
}

/// Writes `bytes` to `sockets` sockets, `rounds` times.
pub(crate) fn measure(sockets: usize, bytes: usize, rounds: usize) -> Result<Floor> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut writers = Vec::with_capacity(sockets);
    let mut readers = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        writers.push(TcpStream::connect(address)?);
        let (reader, _) = listener.accept()?;
        reader.set_nonblocking(true)?;
        readers.push(reader);
    }
    let (done, rounds_done) = mpsc::sync_channel(1);
    let expected = sockets * bytes;
    let reader = thread::spawn(move || read_rounds(&readers, expected, rounds, &done));
    let message = vec![0x5a; bytes];
    let mut times = Vec::with_capacity(rounds);
    let mut cpu = Duration::ZERO;
    let own_cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    for _ in 0..rounds {
        let (start, cpu_before) = (Instant::now(), own_cpu());
        for writer in &mut writers {
            writer.write_all(&message)?;
        }
        cpu += own_cpu() - cpu_before;
        let end: Instant = rounds_done.recv().context("the reader ended early")?;
        times.push(end - start);
    }
    reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    times.sort_unstable();
    let count = u32::try_from(sockets * rounds)?;
    Ok(Floor { median: crate::percentile(&times, 50), p99: crate::percentile(&times, 99), cpu: cpu / count })
}

fn read_rounds(readers: &[TcpStream], expected: usize, rounds: usize, done: &mpsc::SyncSender<Instant>) -> Result<()> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (index, reader) in readers.iter().enumerate() {
        epoll::add(&poll, reader.as_fd(), epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
    }
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..rounds {
        let mut missing = expected;
        while missing > 0 {
            events.clear();
            epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
            for event in &events {
                let mut reader = &readers[usize::try_from(event.data.u64())?];
                missing = missing.saturating_sub(reader.read(&mut buffer)?);
            }
        }
        done.send(Instant::now())?;
    }
    Ok(())
}
