//! The control plane's HTTP API.

mod error;

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use base::Secret;
use pki::tls::{self, Alpn, Identity, Trust};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;

pub(crate) use error::{ApiError, ClientError};

use crate::config_file::{ApiServer, ClientFiles, ControlPlane};

/// Largest answer that is read, in bytes; configuration dumps of big meshes are the largest there are.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    headers: HeaderMap,
    name: String,
    base: Url,
}

/// What became of a resource that was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// It was new; otherwise it replaced one.
    pub(crate) created: bool,
    /// What the control plane thinks of it although it took it.
    pub(crate) warnings: Vec<String>,
}

/// What `GET /` says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Index {
    /// Before 1.x.
    tagline: String,
    product: String,
    pub(crate) version: String,
    pub(crate) hostname: String,
    #[serde(rename = "clusterId")]
    pub(crate) cluster_id: String,
    #[serde(rename = "instanceId")]
    pub(crate) instance_id: String,
    #[serde(rename = "basedOnKuma")]
    based_on_kuma: String,
}

impl Index {
    pub(crate) fn product(&self) -> &str {
        if self.product.is_empty() { &self.tagline } else { &self.product }
    }

    /// Whether a control plane of this kind answered.
    pub(crate) fn is_compatible(&self) -> bool {
        self.product() == "Kuma" || !self.based_on_kuma.is_empty()
    }
}

impl Client {
    /// A client of a control plane's API server.
    pub(crate) fn new(control_plane: &ControlPlane, timeout: Duration) -> anyhow::Result<Self> {
        let server = &control_plane.coordinates.api_server;
        let files =
            ClientFiles { client_cert: server.client_cert_file.clone(), client_key: server.client_key_file.clone() };
        let base = parse_address(&server.url)?;
        Ok(Self {
            http: http_client(&base, server, &files, timeout)?,
            headers: headers(server)?,
            name: control_plane.name.clone(),
            base,
        })
    }

    /// A client of another server of the same control plane, with its own client certificate.
    pub(crate) fn of_sibling(
        control_plane: &ControlPlane,
        address: &str,
        files: &ClientFiles,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let server = &control_plane.coordinates.api_server;
        let base = parse_address(address)?;
        Ok(Self {
            http: http_client(&base, server, files, timeout)?,
            headers: headers(server)?,
            name: control_plane.name.clone(),
            base,
        })
    }

    /// Whether the server is this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    pub(crate) async fn index(&self) -> Result<Index, ClientError> {
        let answer = self.get(&[], &[]).await?;
        serde_json::from_value(answer).map_err(|_| self.not_an_api("an answer without a version"))
    }

    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, ClientError> {
        let (_, bytes) = self.send(self.request(Method::GET, path, query)).await?;
        serde_json::from_slice(&bytes).map_err(|_| self.not_an_api("an answer that is not JSON"))
    }

    pub(crate) async fn get_text(&self, path: &[&str], query: &[(&str, &str)]) -> Result<String, ClientError> {
        let (_, bytes) = self.send(self.request(Method::GET, path, query)).await?;
        String::from_utf8(bytes).map_err(|_| self.not_an_api("an answer that is not text"))
    }

    /// Writes a resource.
    pub(crate) async fn put(&self, path: &[&str], body: &Value) -> Result<Written, ClientError> {
        #[derive(Default, Deserialize)]
        struct Answer {
            #[serde(default)]
            warnings: Vec<String>,
        }
        let (status, bytes) = self.send(self.request(Method::PUT, path, &[]).json(body)).await?;
        // Older control planes answer with an empty body.
        let Answer { warnings } = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Written { created: status == StatusCode::CREATED, warnings })
    }

    pub(crate) async fn delete(&self, path: &[&str]) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, path, &[])).await.map(drop)
    }

    /// Sends a JSON body and returns the answer's text.
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<String, ClientError> {
        let (_, bytes) = self.send(self.request(Method::POST, path, &[]).json(body)).await?;
        String::from_utf8(bytes).map_err(|_| self.not_an_api("an answer that is not text"))
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.http.request(method, url).headers(self.headers.clone())
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        tracing::info!(url = %response.url(), status = status.as_u16(), "The control plane answered");
        let bytes = self.read(response).await?;
        if status.is_success() {
            Ok((status, bytes))
        } else {
            Err(ApiError::from_answer(status.as_u16(), &bytes).into())
        }
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if bytes.len() + chunk.len() > ANSWER_LIMIT {
                return Err(self.not_an_api("an answer that is too large"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let (name, url) = (self.name.clone(), self.base.to_string());
        if error.is_timeout() {
            ClientError::Timeout { name, url }
        } else {
            ClientError::Unreachable { name, url, reason: error::innermost(error) }
        }
    }

    fn not_an_api(&self, found: &'static str) -> ClientError {
        ClientError::NotAnApi { url: self.base.to_string(), found }
    }
}

/// Fetches a text from any address, for `apply -f URL`; at most `limit` bytes.
pub(crate) async fn download(url: &str, timeout: Duration, limit: u64) -> anyhow::Result<String> {
    let url = parse_address(url)?;
    let http = http_client(&url, &ApiServer::default(), &ClientFiles::default(), timeout)?;
    let mut response = http.get(url).send().await.map_err(|error| anyhow::anyhow!(error::innermost(&error)))?;
    anyhow::ensure!(response.status().is_success(), "the server answered {}", response.status());
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        anyhow::ensure!(bytes.len() as u64 <= limit, "larger than {} MiB", limit / 1024 / 1024);
    }
    String::from_utf8(bytes).context("not UTF-8 text")
}

/// Checks an address of a server.
pub(crate) fn parse_address(address: &str) -> anyhow::Result<Url> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.with_context(|| format!("{address:?} is not an address like http://localhost:5681"))
}

fn http_client(
    base: &Url,
    server: &ApiServer,
    files: &ClientFiles,
    timeout: Duration,
) -> anyhow::Result<reqwest::Client> {
    let mut builder =
        reqwest::Client::builder().timeout(timeout).user_agent(concat!("kumactl/", env!("CARGO_PKG_VERSION")));
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if base.scheme() != "https" {
        // Plain HTTP needs no trust anchors, and machines without any must be able to use it.
        return Ok(builder.tls_certs_only([]).build()?);
    }
    let identity = read_identity(files)?;
    if server.skip_verify || !server.ca_cert_file.is_empty() {
        let authorities = if server.skip_verify { String::new() } else { read(&server.ca_cert_file)? };
        let trust = if server.skip_verify { Trust::SkipVerify } else { Trust::Pem(&authorities) };
        // A server's self-signed certificate may itself be the authority that is given.
        let config = tls::client_config(trust, identity.as_ref(), Alpn::Http).with_context(|| {
            let given = [&server.ca_cert_file, &files.client_cert, &files.client_key];
            let given: Vec<_> = given.into_iter().filter(|path| !path.is_empty()).map(String::as_str).collect();
            format!("could not use {}", given.join(", "))
        })?;
        return Ok(builder.tls_backend_preconfigured(config).build()?);
    }
    if let Some(identity) = identity {
        let pem = format!("{}\n{}", identity.cert_pem, identity.key_pem.expose());
        let identity = reqwest::Identity::from_pem(pem.as_bytes()).with_context(|| {
            format!("{} and {} are not a PEM certificate and its key", files.client_cert, files.client_key)
        })?;
        builder = builder.identity(identity);
    }
    Ok(builder.build()?)
}

fn read_identity(files: &ClientFiles) -> anyhow::Result<Option<Identity>> {
    if files.client_cert.is_empty() {
        return Ok(None);
    }
    Ok(Some(Identity { cert_pem: read(&files.client_cert)?, key_pem: Secret::new(read(&files.client_key)?) }))
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read {path}"))
}

fn headers(server: &ApiServer) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for header in &server.headers {
        let name: HeaderName = header.key.parse().with_context(|| format!("{:?} is not a header name", header.key))?;
        let value = HeaderValue::from_str(&header.value)
            .with_context(|| format!("the value of the header {:?} cannot be sent", header.key))?;
        headers.append(name, value);
    }
    if let Some(token) = server.auth_conf.get("token").filter(|_| server.auth_type == "tokens") {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .context("the token in the configuration file cannot be sent")?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}
