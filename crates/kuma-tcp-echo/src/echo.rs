use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use runtime::{Listener, Tasks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Bytes of a connection that are read before they are sent back.
const BUFFER: usize = 16 * 1024;

/// Echoes on every connection until shutdown.
pub(crate) async fn serve(listener: Listener, max_connections: u32, tasks: Tasks) -> Result<(), Infallible> {
    let slots = Arc::new(Semaphore::new(max_connections as usize));
    let mut shutdown = tasks.shutdown();
    loop {
        let (mut stream, _, slot) = tokio::select! {
            accepted = listener.accept(&slots) => accepted,
            () = shutdown.wait() => return Ok(()),
        };
        let mut shutdown = tasks.shutdown();
        tasks.spawn_detached("connection", async move {
            tokio::select! {
                // A peer that breaks off is no matter of ours.
                _ = echo(&mut stream) => {}
                () = shutdown.wait() => {}
            }
            drop(slot);
        });
    }
}

async fn echo(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut first = true;
    loop {
        let length = stream.read(&mut buffer).await?;
        let received = &buffer[..length];
        stream.write_all(received).await?;
        if length == 0 || first && is_http_request(received) {
            return stream.shutdown().await;
        }
        first = false;
    }
}

/// Whether the first line is a request line of HTTP/1.
fn is_http_request(received: &[u8]) -> bool {
    let Some(end) = received.windows(2).position(|pair| pair == b"\r\n") else { return false };
    received[..end].ends_with(b" HTTP/1.1") || received[..end].ends_with(b" HTTP/1.0")
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn start(max_connections: u32) -> (Tasks, SocketAddr) {
        let tasks = Tasks::new();
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), "-port").unwrap();
        let address = listener.local_addr();
        tasks.spawn("listener", serve(listener, max_connections, tasks.clone()));
        (tasks, address)
    }

    async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
        let mut received = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut received)).await.unwrap().unwrap();
        received
    }

    #[tokio::test]
    async fn everything_comes_back() {
        let (tasks, address) = start(10);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let sent: Vec<u8> = (0..100_000_u32).map(|index| index as u8).collect();
        let (mut read, mut write) = stream.split();
        let send = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (result, ()) = tokio::join!(read.read_to_end(&mut received), send);
        assert_eq!(result.unwrap(), sent.len());
        assert_eq!(received, sent);
        tasks.drain(SOON).await.unwrap();
    }

    #[tokio::test]
    async fn an_http_request_comes_back_and_ends_the_connection() {
        let (tasks, address) = start(10);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert_eq!(read_all(&mut stream).await, request);
        tasks.drain(SOON).await.unwrap();
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait() {
        let (tasks, address) = start(1);
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"a").await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'a');
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"b").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), second.read_u8()).await.is_err());
        drop(first);
        assert_eq!(tokio::time::timeout(SOON, second.read_u8()).await.unwrap().unwrap(), b'b');
        tasks.drain(SOON).await.unwrap();
    }

    #[tokio::test]
    async fn open_connections_do_not_hold_up_the_end() {
        let (tasks, address) = start(1);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"a").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'a');
        tasks.drain(SOON).await.unwrap();
        assert!(read_all(&mut stream).await.is_empty());
    }
}
