//! What Envoy writes.

use std::collections::VecDeque;
use std::os::fd::AsFd;

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The last of what was written, for the message when Envoy does not stay up.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<u8>);

impl Tail {
    /// In bytes.
    const LENGTH: usize = 4096;

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.0.drain(..self.0.len().saturating_sub(Self::LENGTH));
    }

    /// Its whole lines.
    pub(crate) fn text(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let whole =
            if bytes.len() < Self::LENGTH { &*text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
        whole.trim_end().to_owned()
    }
}

/// One of our own outputs, for writing without holding up the program; `None` when it is closed.
pub(crate) fn own(output: impl AsFd) -> Option<File> {
    let copy = output.as_fd().try_clone_to_owned().ok()?;
    Some(File::from_std(copy.into()))
}

/// Passes everything on until the writer closes. What cannot be passed on is dropped: Envoy must not wait for a
/// log nobody reads.
pub(crate) async fn relay(
    from: Option<impl AsyncRead + Unpin>,
    mut to: Option<impl AsyncWrite + Unpin>,
    mut tail: Option<&mut Tail>,
) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 8192];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        if let Some(tail) = &mut tail {
            tail.push(&buffer[..count]);
        }
        if let Some(open) = &mut to
            && (open.write_all(&buffer[..count]).await.is_err() || open.flush().await.is_err())
        {
            to = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_is_passed_on_and_the_last_whole_lines_are_kept() {
        let text: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        let (mut passed, mut tail) = (Vec::new(), Tail::default());
        relay(Some(text.as_bytes()), Some(&mut passed), Some(&mut tail)).await;
        assert_eq!(passed, text.as_bytes());
        let kept = tail.text();
        assert!(kept.starts_with("line ") && kept.ends_with("line 999"), "{kept}");
        assert!(kept.len() > 3500 && kept.len() <= Tail::LENGTH);
    }

    #[test]
    fn a_short_output_is_kept_whole() {
        let mut tail = Tail::default();
        tail.push(b"first\nlast\n");
        assert_eq!(tail.text(), "first\nlast");
    }
}
