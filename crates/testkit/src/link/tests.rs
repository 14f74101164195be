use std::io::ErrorKind;

use anyhow::{bail, ensure};
use tokio::time::timeout;

use super::*;
use crate::wait_for;

const SOON: Duration = Duration::from_secs(10);

/// A server that sends back what it gets, in tasks of `tasks`.
async fn echo(tasks: &mut JoinSet<()>) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let (mut from, mut to) = stream.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    Ok(port)
}

async fn connect(link: &Link) -> Result<TcpStream> {
    Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, link.port())).await?)
}

async fn round_trip(stream: &mut TcpStream) -> Result<Duration> {
    let start = Instant::now();
    stream.write_all(b"hello").await?;
    let mut answer = [0; 5];
    timeout(SOON, stream.read_exact(&mut answer)).await??;
    ensure!(&answer == b"hello");
    Ok(start.elapsed())
}

#[tokio::test]
async fn bytes_are_carried_and_the_end_as_well() -> Result<()> {
    let mut tasks = JoinSet::new();
    let link = Link::to(echo(&mut tasks).await?)?;
    let stream = connect(&link).await?;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
    let (mut from, mut to) = stream.into_split();
    let expected = sent.clone();
    tasks.spawn(async move {
        to.write_all(&sent).await.expect("it is read");
        to.shutdown().await.expect("it is open");
    });
    let mut got = Vec::new();
    timeout(SOON, from.read_to_end(&mut got)).await??;
    ensure!(got == expected, "{} bytes", got.len());
    wait_for("the connection is gone", SOON, || async {
        match link.connections() {
            0 => Ok(()),
            number => Err(number),
        }
    })
    .await
}

#[tokio::test]
async fn a_delay_is_kept_in_each_direction() -> Result<()> {
    let mut tasks = JoinSet::new();
    let link = Link::to(echo(&mut tasks).await?)?;
    let mut stream = connect(&link).await?;
    round_trip(&mut stream).await?;
    link.delay(Direction::ToServer, Duration::from_millis(60));
    link.delay(Direction::ToClient, Duration::from_millis(70));
    let delayed = round_trip(&mut stream).await?;
    ensure!(delayed >= Duration::from_millis(130), "{delayed:?}");
    link.restore();
    let quick = round_trip(&mut stream).await?;
    ensure!(quick < delayed, "{quick:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_stalled_goes_on() -> Result<()> {
    let mut tasks = JoinSet::new();
    let link = Link::to(echo(&mut tasks).await?)?;
    let mut stream = connect(&link).await?;
    link.stall();
    stream.write_all(b"hello").await?;
    let mut answer = [0; 5];
    if timeout(Duration::from_millis(100), stream.read_exact(&mut answer)).await.is_ok() {
        bail!("it is answered");
    }
    link.restore();
    timeout(SOON, stream.read_exact(&mut answer)).await??;
    ensure!(&answer == b"hello");
    Ok(())
}

#[tokio::test]
async fn what_is_cut_is_reset() -> Result<()> {
    let mut tasks = JoinSet::new();
    let link = Link::to(echo(&mut tasks).await?)?;
    let mut stream = connect(&link).await?;
    round_trip(&mut stream).await?;
    link.cut();
    let error = timeout(SOON, stream.read_u8()).await?.expect_err("it is cut");
    ensure!(error.kind() == ErrorKind::ConnectionReset, "{error}");
    round_trip(&mut connect(&link).await?).await?;
    Ok(())
}

#[tokio::test]
async fn who_is_refused_is_let_in_later() -> Result<()> {
    let mut tasks = JoinSet::new();
    let link = Link::to(echo(&mut tasks).await?)?;
    let mut stream = connect(&link).await?;
    round_trip(&mut stream).await?;
    link.refuse();
    timeout(SOON, stream.read_u8()).await?.expect_err("it is cut");
    wait_for("nobody listens", SOON, || async {
        match connect(&link).await {
            Ok(_) => Err("connected".to_owned()),
            Err(error) if error.to_string().contains("refused") => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await?;
    link.restore();
    wait_for("it is well again", SOON, || async { round_trip(&mut connect(&link).await?).await }).await.map(drop)
}
