//! `kuma-dp wait`: for scripts that start something that needs the proxy.

use anyhow::{Context as _, bail};
use http::{Method, StatusCode, Uri};
use tokio::time::Instant;

use crate::cli::WaitArgs;
use crate::http::{Server, send};
use crate::pause::pause;

/// Asks until the proxy is ready, or time is up.
pub(crate) async fn wait(args: &WaitArgs) -> anyhow::Result<()> {
    let url: Uri = args.url.parse().with_context(|| format!("--url: {:?} is not a URL", args.url))?;
    let Some(host) = url.host().filter(|_| url.scheme_str() == Some("http")) else {
        bail!("--url: {:?} must have the form http://host:port/path", args.url);
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let server = Server::Tcp { host, port: url.port_u16().unwrap_or(80) };
    let path: Uri = url.path_and_query().map_or("/", |path| path.as_str()).parse().expect("it was a part of a URL");
    let deadline = Instant::now() + args.timeout;
    loop {
        let last = match send(&server, Method::GET, path.clone(), None, args.request_timeout).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                tracing::info!(url = args.url, "The proxy is ready");
                return Ok(());
            }
            Ok(answer) => answer.status.to_string(),
            Err(error) => base::report(&error),
        };
        if Instant::now() + args.checking_frequency >= deadline {
            bail!(
                "the proxy was not ready within {}; last answer of {}: {last}",
                base::duration::format(args.timeout),
                args.url
            );
        }
        tracing::debug!(url = args.url, last, "The proxy is not ready yet");
        pause(args.checking_frequency).await;
    }
}
