//! `version`

use clap::Args;

use crate::session::Session;

/// The release of the reference whose interfaces this program speaks.
const COMPATIBLE_WITH: &str = "2.14.3";

/// Print the versions of this program and of the control plane
#[derive(Args, Debug)]
pub(crate) struct VersionArgs {
    /// Print more than the version
    #[arg(long, short = 'a')]
    detailed: bool,
}

pub(crate) async fn run(args: VersionArgs, session: &mut Session<'_>) -> anyhow::Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    session.out.line(&format!("Client: Kuma {COMPATIBLE_WITH} (Higuma {own})"))?;
    if args.detailed {
        session.out.line(&format!("  Product:    Higuma {own}"))?;
        session.out.line(&format!("  Compatible: Kuma {COMPATIBLE_WITH}"))?;
        session.out.line(&format!("  Platform:   {}/{}", std::env::consts::OS, std::env::consts::ARCH))?;
    }
    // A version is worth printing even when no control plane answers.
    let server = match session.client() {
        Ok(client) => client.index().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match server {
        Ok(index) => session.out.line(&format!("Server: {} {}", index.product(), index.version))?,
        Err(error) => session.out.complain(&format!("Unable to connect to control plane: {error:#}")),
    }
    Ok(())
}
