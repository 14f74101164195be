//! Certificates and upstreams: how clients are met and how services are reached.

use std::sync::Arc;

use engine::tls::client::{ClientIdentity, Settings as TlsSettings};
use engine::tls::{Certificate, CertificateTable, ServerIdentity};
use gateway_model::typed::{Certificate as Document, Ref, Service};

use super::documents::Dirty;
use super::{Compiler, Problem};
use crate::config::tls_settings;

impl Compiler {
    /// How the service is spoken to over TLS, with the certificates it names.
    pub(super) fn service_tls(&self, service: &Service, problems: &mut Vec<Problem>) -> TlsSettings {
        let mut authorities = None;
        for id in service.ca_certificates.iter().flatten() {
            match self.documents.ca_certificates.get(id) {
                Some(authority) => {
                    let text: &mut String = authorities.get_or_insert_default();
                    text.push_str(&authority.cert);
                    text.push('\n');
                }
                None => problems.push(problem("services", &service.id, format!("ca_certificates: {id} is not there"))),
            }
        }
        let identity = self.client_identity(service.client_certificate.as_ref());
        tls_settings(service, &self.settings, identity, authorities, &self.trusted)
    }

    /// Puts upstreams that changed, or whose targets did, into force.
    pub(super) fn compile_upstreams(&mut self, dirty: &mut Dirty, problems: &mut Vec<Problem>) {
        let changed = std::mem::take(&mut dirty.upstreams);
        if changed.is_empty() {
            return;
        }
        let directory = Arc::make_mut(&mut self.directory);
        // Names first: one upstream may have taken over another's.
        for name in changed.values().flatten() {
            self.upstreams_by_name.remove(name);
            directory.remove_upstream(name);
        }
        for document in changed.keys().filter_map(|id| self.documents.upstreams.get(id)) {
            directory.put_upstream(&document.name);
        }
        for id in changed.into_keys() {
            let Some(document) = self.documents.upstreams.get(&id) else {
                self.upstreams.remove(&id);
                continue;
            };
            let targets = self.documents.targets_of_upstream.get(&id).into_iter().flatten();
            let mut targets: Vec<_> =
                targets.filter_map(|target| self.documents.targets.get(target)).map(Arc::clone).collect();
            targets.sort_by(|a, b| {
                a.created_at.unwrap_or(0.0).total_cmp(&b.created_at.unwrap_or(0.0)).then_with(|| a.id.cmp(&b.id))
            });
            if let Some(certificate) = &document.client_certificate
                && !self.documents.certificates.contains_key(&certificate.id)
            {
                problems.push(problem("upstreams", &id, "client_certificate is not there".to_owned()));
            }
            let identity = self.client_identity(document.client_certificate.as_ref());
            let runtime = self.upstreams.put(document, targets, identity);
            self.upstreams_by_name.insert(Arc::clone(&document.name), Arc::new(runtime));
        }
    }

    /// Exchanges what listeners show to clients.
    pub(super) fn compile_certificates(&mut self, problems: &mut Vec<Problem>) {
        let mut table = CertificateTable::new(self.default_identity.clone());
        for sni in self.documents.snis.values() {
            let Some(document) = self.documents.certificates.get(&sni.certificate.id) else { continue };
            let added = self
                .server_identity(document)
                .and_then(|identity| table.insert(&sni.name, identity).map_err(|error| error.to_string()));
            if let Err(reason) = added {
                problems.push(problem("snis", &sni.id, reason));
            }
        }
        self.certificates.replace(table);
    }

    fn server_identity(&self, document: &Document) -> Result<ServerIdentity, String> {
        let text = |text: &str| Ok::<_, String>(self.references.lookup(text)?.unwrap_or_else(|| text.to_owned()));
        let read = |cert: &str, key: &base::Secret| {
            Certificate::from_pem(&text(cert)?, &text(key.expose())?).map_err(|error| error.to_string())
        };
        let alternative = match document.cert_alt.as_deref().zip(document.key_alt.as_ref()) {
            Some((cert, key)) => Some(read(cert, key)?),
            None => None,
        };
        Ok(ServerIdentity::new(read(&document.cert, &document.key)?, alternative))
    }

    fn client_identity(&self, certificate: Option<&Ref>) -> Option<ClientIdentity> {
        let document = self.documents.certificates.get(&certificate?.id)?;
        Some(ClientIdentity { certificate: Arc::clone(&document.cert), key: document.key.clone() })
    }
}

fn problem(collection: &str, id: &str, reason: String) -> Problem {
    Problem { collection: collection.to_owned(), id: id.to_owned(), reason }
}
