//! Calls to a gateway, one at a time, from code that is not async.

use std::time::Duration;

use control::Endpoint;
use control::client::{ArchiveClient, FlypackClient, channel};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::Failure;
use crate::printer::Printer;

/// After this long an operator is told that something is still going on.
const PATIENCE: Duration = Duration::from_secs(2);
/// No call takes longer than this.
const DEADLINE: Duration = Duration::from_secs(30);

/// A connection to a gateway.
pub(crate) struct Gateway {
    runtime: Runtime,
    client: FlypackClient<Channel>,
    archive: ArchiveClient<Channel>,
    endpoint: Endpoint,
    printer: Printer,
}

impl Gateway {
    pub(crate) fn connect(endpoint: &Endpoint, printer: Printer) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|cause| Failure::System { what: "cannot start a runtime", cause })?;
        let channel = runtime.block_on(patiently(channel(endpoint), endpoint, printer))?;
        let (client, archive) = (FlypackClient::new(channel.clone()), ArchiveClient::new(channel));
        Ok(Self { runtime, client, archive, endpoint: endpoint.clone(), printer })
    }

    /// Makes one call.
    pub(crate) fn call<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut FlypackClient<Channel>) -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        let Self { runtime, client, endpoint, printer, .. } = self;
        Ok(runtime.block_on(patiently(timed(call(client), endpoint), endpoint, *printer))?)
    }

    /// Makes one call about recordings.
    pub(crate) fn archive<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut ArchiveClient<Channel>) -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        let Self { runtime, archive, endpoint, printer, .. } = self;
        Ok(runtime.block_on(patiently(timed(call(archive), endpoint), endpoint, *printer))?)
    }
}

async fn timed<T>(call: impl Future<Output = Result<Response<T>, Status>>, endpoint: &Endpoint) -> Result<T, Status> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "no answer from {endpoint} in {} seconds; look at the gateway's log",
            DEADLINE.as_secs()
        ))),
    }
}

/// Waits for `work`, and says so when it takes long.
async fn patiently<T>(work: impl Future<Output = T>, endpoint: &Endpoint, printer: Printer) -> T {
    tokio::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    printer.note(&format!("still waiting for {endpoint}"));
    work.await
}
