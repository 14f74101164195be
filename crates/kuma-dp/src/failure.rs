//! Why the program ends, as an exit code that supervisors can tell apart and a message that says what to do.

use std::path::PathBuf;
use std::time::Duration;

use base::Problems;

/// The end of `kuma-dp run` other than by request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Flags, variables, or the files they name.
    #[error("{0}")]
    Settings(Problems),
    /// The resource that describes the proxy.
    #[error("{what} is not usable:\n{problems}")]
    Resource { what: String, problems: Problems },
    /// A file or directory of ours.
    #[error("{action} {} failed", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    /// No answer within the time allowed.
    #[error(
        "the control plane at {address} could not be reached within {}; last attempt: {last}",
        base::duration::format(*.within)
    )]
    Unreachable { address: String, within: Duration, last: String },
    /// It proved another identity, or none.
    #[error(
        "the certificate of the control plane at {address} is not trusted: {reason}. \
         Pass the authority that signed it with --ca-cert-file, and an address the certificate is made out for with --cp-address"
    )]
    Untrusted { address: String, reason: String },
    /// It does not accept the token.
    #[error("the control plane refuses the dataplane token: {0}")]
    Token(String),
    /// It does not accept the request: unknown mesh, invalid resource.
    #[error("the control plane refuses this proxy: {0}")]
    Refused(String),
    /// It does not know the proxy, and did not come to know it.
    #[error(
        "the control plane does not know dataplane {name:?} of mesh {mesh:?} after {}: create it first, \
         or pass its definition with --dataplane-file",
        base::duration::format(*.within)
    )]
    UnknownDataplane { name: String, mesh: String, within: Duration },
    /// It answers something else than the protocol says.
    #[error("the control plane's bootstrap is not usable: {0}")]
    Bootstrap(String),
    /// There is no Envoy, or it does not run.
    #[error("Envoy cannot be run: {0}; name the program with --binary-path")]
    Binary(String),
    /// Somebody else listens where we, or Envoy, must.
    #[error("port {port} for {what} is in use: choose another with {flag}")]
    PortInUse { what: &'static str, port: String, flag: &'static str },
    /// Envoy does not stay up.
    #[error(
        "Envoy ended {times} times in a row shortly after its start, the last time with {last}; giving up. It said:\n{output}"
    )]
    Crashing { times: u32, last: String, output: String },
}

impl Failure {
    /// Documented in the program's help; never renumber.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::File { .. } | Self::Bootstrap(_) => 1,
            Self::Settings(_) => 2,
            Self::Resource { .. } => 3,
            Self::Unreachable { .. } => 4,
            Self::Untrusted { .. } => 5,
            Self::Token(_) => 6,
            Self::Refused(_) | Self::UnknownDataplane { .. } => 7,
            Self::Binary(_) => 8,
            Self::PortInUse { .. } => 9,
            Self::Crashing { .. } => 10,
        }
    }
}

/// The table of exit codes for the help.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0   stopped by request, or Envoy ended by itself with success
  1   a file could not be written, or the control plane's answer makes no sense
  2   flags or variables
  3   the resource passed with --dataplane or --dataplane-file
  4   control plane not reachable
  5   control plane's certificate not trusted
  6   token refused
  7   proxy refused: unknown mesh or dataplane, invalid resource
  8   Envoy missing or not executable
  9   port in use
  10  Envoy ends again and again";
