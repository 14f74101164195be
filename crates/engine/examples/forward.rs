//! The least a reverse proxy does: every request goes to one upstream.
//!
//! `forward LISTEN UPSTREAM [WORKERS]`, addresses as `127.0.0.1:8000`.

use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;

use engine::exchange::Exchange;
use engine::forward::{ForwardError, Timeouts, Upload};
use engine::message::ResponseHead;
use engine::peer::Peer;
use engine::service::{Answer, Refusal, Service};
use engine::upstream::Endpoint;
use engine::worker::{ListenerSpec, Settings, Worker, Workers};

struct Forward {
    endpoint: Endpoint,
    timeouts: Timeouts,
}

impl Service for Forward {
    async fn call(&self, exchange: &mut Exchange) {
        if self.forward(exchange).await.is_err() && !exchange.is_answered() {
            // The client may have gone as well; nothing is left to be done then.
            drop(exchange.respond(&ResponseHead::new(502), b"").await);
        }
    }

    fn refuse(&self, refusal: Refusal, _read: &[u8], _peer: &Peer) -> Answer {
        Answer::empty(refusal.status())
    }
}

impl Forward {
    async fn forward(&self, exchange: &mut Exchange) -> Result<(), ForwardError> {
        let mut request = std::mem::take(&mut exchange.request);
        request.headers.append("X-Forwarded-For", exchange.peer.ip_text());
        let mut connection = exchange.connect(&self.endpoint, self.timeouts.connect).await?;
        let responded = exchange.send(&mut connection, &request, Upload::Client, &self.timeouts).await;
        exchange.request = request;
        exchange.relay(connection, responded?, None, &self.timeouts).await
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, listen, upstream, workers @ ..] = &arguments[..] else {
        return Err("usage: forward LISTEN UPSTREAM [WORKERS]".into());
    };
    let listen: SocketAddr = listen.parse()?;
    let upstream: SocketAddr = upstream.parse()?;
    let workers = workers.first().map_or(Ok(NonZeroUsize::MIN), |workers| workers.parse())?;
    let settings = Settings { workers, ..Settings::default() };
    let make =
        move |_: &Rc<Worker>| Forward { endpoint: Endpoint::new(upstream, None, false), timeouts: Timeouts::default() };
    let mut listener = ListenerSpec::plain(listen);
    listener.http2 = true;
    let running = Workers::start(settings, vec![listener], make)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::signal::ctrl_c().await?;
        running.shutdown(std::time::Duration::from_secs(10)).await;
        Ok(())
    })
}
