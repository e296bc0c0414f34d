//! `rings`: thin over the API.

use control::{Endpoint, v1};
use media::Name;

use crate::arguments::{RingAction, Rings};
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::view::{EvictedView, RingView, RingsView};
use crate::{Exit, Failure};

pub(super) fn run(endpoint: &Endpoint, arguments: Rings, printer: Printer) -> Result<Exit, Failure> {
    let mut gateway = Gateway::connect(endpoint, printer)?;
    match arguments.action {
        None => {
            let view = list(&mut gateway, arguments.flow.as_ref())?;
            printer.result(&view, || view.text())?;
        }
        Some(RingAction::Evict { flow, seat }) => {
            let request = v1::EvictConsumerRequest { flow: flow.to_string(), seat: seat.into() };
            let answer = gateway.call(async |client| client.evict_consumer(request).await)?;
            let evicted = answer.consumer.unwrap_or_default().into();
            let view = EvictedView { flow: flow.to_string(), evicted };
            printer.result(&view, || view.text())?;
        }
    }
    Ok(Exit::Success)
}

fn list(gateway: &mut Gateway, flow: Option<&Name>) -> Result<RingsView, Failure> {
    let flows = gateway.call(async |client| client.list_flows(v1::ListFlowsRequest {}).await)?.flows;
    let Some(flow) = flow else { return Ok(RingsView { rings: flows.into_iter().map(RingView::from).collect() }) };
    let (of_flow, others): (Vec<_>, Vec<_>) = flows.into_iter().partition(|of| of.name == flow.as_str());
    if of_flow.is_empty() {
        let names: Vec<&str> = others.iter().map(|of| of.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(tonic::Status::not_found(format!("there is no flow \"{flow}\"; there are: {names}")).into());
    }
    Ok(RingsView { rings: of_flow.into_iter().map(RingView::from).collect() })
}
