//! `/metrics` in OpenMetrics text: every counter of status, by name and reason.

mod archive;
mod legs;
mod rings;
mod workers;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use control::Dataplane;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::dataplane::Gateway;

/// The OpenMetrics content type.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` on `listener` until `shutdown` ends.
///
/// # Errors
/// What the server failed with.
pub async fn serve(
    listener: tokio::net::TcpListener,
    gateway: Gateway,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(GatewayCollector(gateway)));
    let registry = Arc::new(registry);
    let metrics = move || async move {
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
            Err(error) => (axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    };
    axum::serve(listener, Router::new().route("/metrics", get(metrics))).with_graceful_shutdown(shutdown).await
}

/// Binds the address of `/metrics`.
///
/// # Errors
/// What the system says, with the address.
pub fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Reads the data plane's status at each scrape.
struct GatewayCollector(Gateway);

impl fmt::Debug for GatewayCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayCollector")
    }
}

/// Values of one metric: a label's value and a number.
type Series = Vec<(String, u64)>;

impl Collector for GatewayCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let gateway = &self.0;
        let node = gateway.node();
        gauge(&mut encoder, "flypack_clock_locked", "1 while TAI follows PTP", u64::from(node.clock_locked))?;
        gauge(&mut encoder, "flypack_uptime_seconds", "Seconds since the start", node.uptime_s)?;
        let warnings = node.warnings.len() as u64;
        gauge(&mut encoder, "flypack_warnings", "What an operator should see to now; status has the words", warnings)?;
        for (name, value) in node.broker {
            let (full, help) = (format!("flypack_broker_{name}"), format!("{} at the broker", name.replace('_', " ")));
            let mut counter = encoder.encode_descriptor(&full, &help, None, MetricType::Counter)?;
            counter.encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        let receivers = gateway.receivers();
        let counters = receivers.iter().map(|entry| (entry.name.to_string(), &entry.counters));
        families(&mut encoder, "receiver", MetricType::Counter, by_counter(counters))?;
        legs::encode(&mut encoder, "receiver", receivers.iter().map(|entry| (&entry.name, entry.legs.as_slice())))?;
        let senders = gateway.senders();
        let senders = senders.iter().map(|entry| (entry.name.to_string(), &entry.counters));
        families(&mut encoder, "sender", MetricType::Counter, by_counter(senders))?;
        let relays = gateway.relays();
        legs::encode(&mut encoder, "relay", relays.iter().map(|entry| (&entry.name, entry.legs.as_slice())))?;
        let relays = by_counter(relays.iter().map(|entry| (entry.name.to_string(), &entry.counters)));
        let (levels, counts) = relays.into_iter().partition(|(name, _)| name.ends_with("_held"));
        families(&mut encoder, "relay", MetricType::Counter, counts)?;
        families(&mut encoder, "relay", MetricType::Gauge, levels)?;
        let workers = node.workers.iter().map(|entry| (entry.name.clone(), &entry.counters));
        families(&mut encoder, "worker", MetricType::Counter, by_counter(workers))?;
        workers::encode(&mut encoder, &node.workers)?;
        let ports = node.ports.iter().map(|entry| (entry.name.clone(), &entry.counters));
        let (levels, counts) = by_counter(ports).into_iter().partition(|(name, _)| name.ends_with("_held"));
        families(&mut encoder, "port", MetricType::Counter, counts)?;
        families(&mut encoder, "port", MetricType::Gauge, levels)?;
        let links = node.ports.iter().filter_map(|port| Some((port.name.clone(), u64::from(port.link_up?))));
        families(&mut encoder, "port", MetricType::Gauge, BTreeMap::from([("link_up", links.collect())]))?;
        let flows = gateway.flows();
        let flow_counters = by_counter(flows.iter().map(|entry| (entry.name.to_string(), &entry.counters)));
        let (slots, counts) = flow_counters.into_iter().partition(|(name, _)| name.starts_with("slots_"));
        families(&mut encoder, "flow", MetricType::Counter, counts)?;
        families(&mut encoder, "flow", MetricType::Gauge, slots)?;
        archive::encode(&mut encoder, gateway)?;
        rings::encode(&mut encoder, &flows)
    }
}

/// Turns "object → counters" into "counter → objects".
fn by_counter<'a>(objects: impl Iterator<Item = (String, &'a control::Counters)>) -> BTreeMap<&'static str, Series> {
    let mut by_counter: BTreeMap<&'static str, Series> = BTreeMap::new();
    for (object, counters) in objects {
        for (name, value) in counters {
            by_counter.entry(name).or_default().push((object.clone(), *value));
        }
    }
    by_counter
}

/// Encodes each metric of `kind` with all objects that have it.
fn families(
    encoder: &mut DescriptorEncoder,
    kind: &str,
    metric: MetricType,
    by_counter: BTreeMap<&'static str, Series>,
) -> Result<(), fmt::Error> {
    for (name, series) in by_counter {
        let (full, help) = (format!("flypack_{kind}_{name}"), format!("{} of a {kind}", name.replace('_', " ")));
        let mut family = encoder.encode_descriptor(&full, &help, None, metric)?;
        for (object, value) in series {
            let labels = [(kind, object.as_str())];
            let mut value_encoder = family.encode_family(&labels)?;
            match metric {
                MetricType::Gauge => value_encoder.encode_gauge(&value)?,
                _ => value_encoder.encode_counter::<NoLabelSet, u64, f64>(&value, None)?,
            }
        }
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}
