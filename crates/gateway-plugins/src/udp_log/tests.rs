use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::UdpLog;
use crate::log::testing::{exchange, log};
use crate::testing::{Lab, shown};

#[test]
fn defaults_are_complete() {
    let expected = json!({ "host": "h", "port": 1, "timeout": 10000, "custom_fields_by_lua": null });
    assert_eq!(shown("udp-log", json!({ "host": "h", "port": 1 })), expected);
}

#[tokio::test]
async fn every_record_is_a_datagram() {
    let lab = Lab::new();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let config = json!({ "host": "127.0.0.1", "port": socket.local_addr().unwrap().port() });
    let plugin = lab.plugin(&UdpLog, config);
    for _ in 0..2 {
        log(&*plugin, &exchange(&lab), 200);
        let mut datagram = vec![0; 65_536];
        let len = socket.recv(&mut datagram).await.unwrap();
        let record: Value = serde_json::from_slice(&datagram[..len]).unwrap();
        assert_eq!(record["response"]["status"], 200);
    }
}
