//! Where a proxy's admin interface is, as a part of its insight.

use mesh_xds::ProxyMetadata;
use serde_json::{Map, Value};

const PORT: &str = "dataplane.admin.port";
const ADDRESS: &str = "dataplane.admin.address";
const SOCKET: &str = "dataplane.admin.socketPath";

/// `metadata` of the insight, in the words of the proxy's node.
pub(super) fn written(metadata: &ProxyMetadata) -> Value {
    let mut written = Map::new();
    if metadata.admin_port != 0 {
        written.insert(PORT.to_owned(), metadata.admin_port.to_string().into());
    }
    let texts = [(ADDRESS, &metadata.admin_address), (SOCKET, &metadata.admin_socket)];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text.clone()?.into())));
    written.extend(texts);
    Value::Object(written)
}

/// What the insight of a connected proxy says of its admin interface; the rest is not known.
pub(crate) fn read(insight: &Value) -> ProxyMetadata {
    let text = |key: &str| insight["metadata"][key].as_str().map(str::to_owned);
    ProxyMetadata {
        admin_port: text(PORT).and_then(|port| port.parse().ok()).unwrap_or(0),
        admin_address: text(ADDRESS),
        admin_socket: text(SOCKET),
        admin_shown: true,
        ..ProxyMetadata::default()
    }
}

/// Whether some control plane is connected to the proxy, as far as is known.
pub(crate) fn is_connected(insight: &Value) -> bool {
    super::merge::connected_to(insight).next().is_some()
}
