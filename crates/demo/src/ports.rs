//! The ports of the demo, and who has one that is taken.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};
use testkit::free_port;

/// Ports of a service with its proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServicePorts {
    /// Where the service itself listens.
    pub(crate) app: u16,
    /// Where its proxy listens for the mesh.
    pub(crate) inbound: u16,
    /// The admin interface of its proxy's Envoy.
    pub(crate) admin: u16,
}

/// All ports of the demo.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// The control plane's HTTP API.
    pub(crate) api: u16,
    /// The API over TLS, and the bootstrap of the oldest launchers.
    pub(crate) api_tls: u16,
    /// What proxies connect to.
    pub(crate) dp: u16,
    /// Tokens of the oldest clients.
    pub(crate) admin: u16,
    /// Readiness and metrics of the control plane.
    pub(crate) diagnostics: u16,
    /// The client; nothing listens on its `app`.
    pub(crate) web: ServicePorts,
    pub(crate) backend_v1: ServicePorts,
    pub(crate) backend_v2: ServicePorts,
    pub(crate) echo: ServicePorts,
    /// Where `web` reaches `backend`.
    pub(crate) to_backend: u16,
    /// Where `web` reaches `echo`.
    pub(crate) to_echo: u16,
    /// The gateway, for clients.
    pub(crate) gateway: u16,
    /// The same over TLS.
    pub(crate) gateway_tls: u16,
    /// Its Admin API.
    pub(crate) gateway_admin: u16,
    /// The Admin API over TLS.
    pub(crate) gateway_admin_tls: u16,
    /// Its readiness and metrics.
    pub(crate) gateway_status: u16,
    /// Whether these are the documented ones, which every tool knows without being told.
    pub(crate) documented: bool,
}

impl Ports {
    pub(crate) fn documented() -> Self {
        let service = |number: u16| ServicePorts { app: 7100 + number, inbound: 7200 + number, admin: 9910 + number };
        Self {
            api: 5681,
            api_tls: 5682,
            dp: 5678,
            admin: 5679,
            diagnostics: 5680,
            web: ServicePorts { admin: 9901, ..service(0) },
            backend_v1: service(1),
            backend_v2: service(2),
            echo: service(3),
            to_backend: 10001,
            to_echo: 10002,
            gateway: 8000,
            gateway_tls: 8443,
            gateway_admin: 8001,
            gateway_admin_tls: 8444,
            gateway_status: 8007,
            documented: true,
        }
    }

    pub(crate) fn free() -> Result<Self> {
        let service = || anyhow::Ok(ServicePorts { app: free_port()?, inbound: free_port()?, admin: free_port()? });
        Ok(Self {
            api: free_port()?,
            api_tls: free_port()?,
            dp: free_port()?,
            admin: free_port()?,
            diagnostics: free_port()?,
            web: service()?,
            backend_v1: service()?,
            backend_v2: service()?,
            echo: service()?,
            to_backend: free_port()?,
            to_echo: free_port()?,
            gateway: free_port()?,
            gateway_tls: free_port()?,
            gateway_admin: free_port()?,
            gateway_admin_tls: free_port()?,
            gateway_status: free_port()?,
            documented: false,
        })
    }

    /// Fails when somebody else listens on one of them, and says who.
    pub(crate) fn check(&self) -> Result<()> {
        let taken: Vec<_> = self
            .all()
            .into_iter()
            .filter(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_err())
            .map(|port| format!("  {port}  {}", owner(port).unwrap_or_else(|| "a process of another user".to_owned())))
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        bail!(
            "these ports are taken:\n{}\nStop what holds them (another demo?), or run the demo with --auto-ports.",
            taken.join("\n")
        )
    }

    fn all(&self) -> Vec<u16> {
        let services = [self.web, self.backend_v1, self.backend_v2, self.echo];
        let mesh = [self.api, self.api_tls, self.dp, self.admin, self.diagnostics, self.to_backend, self.to_echo];
        let admin = [self.gateway_admin, self.gateway_admin_tls, self.gateway_status];
        mesh.into_iter()
            .chain([self.gateway, self.gateway_tls])
            .chain(admin)
            .chain(services.into_iter().flat_map(|service| [service.app, service.inbound, service.admin]))
            .collect()
    }
}

/// Program and process id of the listener on `port`, as far as this user may know.
fn owner(port: u16) -> Option<String> {
    let sockets: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening_socket(line, port)).collect::<Vec<_>>())
        .collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        // Processes are named by numbers there; `self` would be found first.
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let files = fs::read_dir(process.path().join("fd")).ok()?;
        let mut targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        targets.find(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))?;
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        Some(format!("{} (process {id})", name.trim()))
    })
}

/// From a line of the kernel's table of sockets, the name of the socket if it listens on `port`.
fn listening_socket(line: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let columns: Vec<_> = line.split_whitespace().collect();
    let (_, hex) = columns.get(1)?.rsplit_once(':')?;
    let listens = *columns.get(3)? == LISTEN && u16::from_str_radix(hex, 16) == Ok(port);
    listens.then(|| columns.get(9).map(|inode| format!("socket:[{inode}]"))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let owner = owner(port).unwrap();
        assert!(owner.ends_with(&format!("(process {})", std::process::id())), "{owner}");
        let error = Ports { api: port, ..Ports::free().unwrap() }.check().unwrap_err().to_string();
        assert!(error.contains(&format!("  {port}  {owner}")) && error.contains("--auto-ports"), "{error}");
    }

    #[test]
    fn connections_are_no_listeners() {
        let line = "   1: 0100007F:1631 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4711 1";
        assert_eq!(listening_socket(line, 0x1631), None);
        let listening = line.replace(" 01 ", " 0A ");
        assert_eq!(listening_socket(&listening, 0x1631).as_deref(), Some("socket:[4711]"));
        assert_eq!(listening_socket(&listening, 80), None);
    }

    #[test]
    fn no_port_is_used_twice() {
        for ports in [Ports::documented(), Ports::free().unwrap()] {
            let all = ports.all();
            let different: std::collections::HashSet<_> = all.iter().collect();
            assert_eq!(different.len(), all.len(), "{all:?}");
        }
    }
}
