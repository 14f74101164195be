use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn cut(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut lines = Lines::default();
    let mut found = Vec::new();
    for chunk in chunks {
        lines.space().extend_from_slice(chunk);
        while let Some(line) = lines.next() {
            found.push(line.to_vec());
        }
    }
    found
}

/// A pipe, its writing end, and the shipping task.
fn shipping(directory: &Path) -> (pipe::Sender, (JoinSet<()>, oneshot::Sender<Never>)) {
    let path = path(directory, "web-1", "default");
    let pipe = Pipe::create(&path).unwrap();
    let writer = pipe::OpenOptions::new().open_sender(&path).unwrap();
    let mut tasks = JoinSet::new();
    let (stop, stopped) = oneshot::channel();
    tasks.spawn(pipe.ship(stopped));
    (writer, (tasks, stop))
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

#[tokio::test]
async fn lines_reach_the_receivers_they_name() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _tasks) = shipping(directory.path());
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) = (first.local_addr().unwrap(), second.local_addr().unwrap());
    writer.write_all(format!("{a};one; two\n{b};other\nnonsense\n{a};three\n").as_bytes()).await.unwrap();
    let mut a = BufReader::new(within(first.accept()).await.unwrap().0).lines();
    let mut b = BufReader::new(within(second.accept()).await.unwrap().0).lines();
    assert_eq!(within(a.next_line()).await.unwrap().as_deref(), Some("one; two"));
    assert_eq!(within(a.next_line()).await.unwrap().as_deref(), Some("three"));
    assert_eq!(within(b.next_line()).await.unwrap().as_deref(), Some("other"));
}

#[tokio::test]
async fn the_last_lines_are_shipped_before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, (mut tasks, stop)) = shipping(directory.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    writer.write_all(format!("{};last\n", listener.local_addr().unwrap()).as_bytes()).await.unwrap();
    drop(stop);
    within(tasks.join_next()).await.unwrap().unwrap();
    let mut lines = BufReader::new(within(listener.accept()).await.unwrap().0).lines();
    assert_eq!(within(lines.next_line()).await.unwrap().as_deref(), Some("last"));
}

#[tokio::test]
async fn a_receiver_that_comes_late_or_again_gets_the_lines() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _tasks) = shipping(directory.path());
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    writer.write_all(format!("{address};early\n").as_bytes()).await.unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let mut first = BufReader::new(within(listener.accept()).await.unwrap().0).lines();
    assert_eq!(within(first.next_line()).await.unwrap().as_deref(), Some("early"));
    drop(first);
    // Whether the end of the first connection is noticed before or while writing, no later line may be lost.
    let again = async {
        loop {
            writer.write_all(format!("{address};again\n").as_bytes()).await.unwrap();
            if let Ok(accepted) = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await {
                return accepted.unwrap().0;
            }
        }
    };
    let mut second = BufReader::new(within(again).await).lines();
    assert_eq!(within(second.next_line()).await.unwrap().as_deref(), Some("again"));
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_does_not_hold_up_others() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _tasks) = shipping(directory.path());
    let stuck = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flood = format!("{};{}\n", stuck.local_addr().unwrap(), "x".repeat(8000));
    let all = async {
        // More than every buffer on the way holds.
        for _ in 0..4000 {
            writer.write_all(flood.as_bytes()).await.unwrap();
        }
        writer.write_all(format!("{};last\n", good.local_addr().unwrap()).as_bytes()).await.unwrap();
        let mut lines = BufReader::new(good.accept().await.unwrap().0).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("last"));
    };
    within(all).await;
}

#[tokio::test]
async fn the_pipe_replaces_what_was_there_and_goes_away() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("al.sock");
    std::fs::write(&path, "stale").unwrap();
    let pipe = Pipe::create(&path).unwrap();
    let metadata = std::fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_fifo());
    assert_eq!(metadata.permissions().mode() & 0o077, 0);
    drop(pipe);
    assert!(!path.exists());
}

#[test]
fn lines_are_cut_wherever_the_reads_end() {
    assert_eq!(cut(&[b"a\nb", b"c\n\nd"]), [b"a".to_vec(), b"bc".to_vec(), b"".to_vec()]);
}

#[test]
fn overlong_lines_are_dropped_and_the_next_is_kept() {
    let long = vec![b'x'; LONGEST_LINE];
    let longer = vec![b'x'; LONGEST_LINE + 1];
    assert_eq!(cut(&[&long, b"\nnext\n"]), [long.clone(), b"next".to_vec()]);
    assert_eq!(cut(&[&longer, b"\nnext\n"]), [b"next".to_vec()]);
    assert_eq!(cut(&[&longer, &long, b"tail\nnext\n"]), [b"next".to_vec()]);
}

#[test]
fn lines_without_a_valid_receiver_are_recognised() {
    let split = |text: &'static str| split(&Bytes::from_static(text.as_bytes())).map(|(a, t)| (a.to_owned(), t));
    assert_eq!(split("h:80;a;b"), Some(("h:80".into(), Bytes::from_static(b"a;b"))));
    assert_eq!(split("[::1]:80;"), Some(("[::1]:80".into(), Bytes::new())));
    for text in ["", ";x", "h;x", "h:;x", ":80;x", "h:0;x", "h:70000;x", "h:80"] {
        assert_eq!(split(text), None, "{text}");
    }
}

#[test]
fn paths_fit_a_unix_socket_address() {
    assert_eq!(path(Path::new("/tmp"), "web-1", "default"), Path::new("/tmp/kuma-al-web-1-default.sock"));
    assert!(path(Path::new("/tmp"), &"x".repeat(300), "default").as_os_str().len() <= 103);
}

proptest! {
    #[test]
    fn cutting_is_independent_of_the_reads(text in "[a-c\n]{0,60}", at in 0usize..60) {
        let at = at.min(text.len());
        let (left, right) = text.as_bytes().split_at(at);
        prop_assert_eq!(cut(&[left, right]), cut(&[text.as_bytes()]));
    }

    #[test]
    fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..60)) {
        let line = Bytes::from(line);
        if let Some((address, text)) = split(&line) {
            prop_assert_eq!(address.len() + 1 + text.len(), line.len());
        }
    }
}
