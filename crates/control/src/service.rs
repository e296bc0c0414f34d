//! The gRPC service: requests in, [`Controller`] calls, messages out.

use std::sync::Arc;

use tonic::{Code, Request, Response, Status};

use crate::intake::{self, IntakeError};
use crate::v1::{self, flypack_server::Flypack};
use crate::{ControlError, Controller, Dataplane, DataplaneError, Scope, SourcePresence, relay_intake, report};

/// `flypack.v1.Flypack` over one controller.
pub(crate) struct FlypackService<D> {
    controller: Arc<Controller<D>>,
}

impl<D: Dataplane> FlypackService<D> {
    pub(crate) fn new(controller: Arc<Controller<D>>) -> Self {
        Self { controller }
    }

    /// Runs what may block (the data plane makes rings and sockets) away from the runtime's threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Controller<D>) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<T, Status> {
        let controller = Arc::clone(&self.controller);
        match tokio::task::spawn_blocking(move || work(&controller)).await {
            Ok(done) => done.map_err(Status::from),
            Err(_) => Err(Status::internal("the gateway failed at this request; its log says where")),
        }
    }
}

#[tonic::async_trait]
impl<D: Dataplane> Flypack for FlypackService<D> {
    async fn get_node(&self, _: Request<v1::GetNodeRequest>) -> Result<Response<v1::GetNodeResponse>, Status> {
        let node = self.blocking(|controller| Ok(report::node(controller.dataplane().node()))).await?;
        Ok(Response::new(v1::GetNodeResponse { node: Some(node) }))
    }

    async fn list_receivers(
        &self,
        _: Request<v1::ListReceiversRequest>,
    ) -> Result<Response<v1::ListReceiversResponse>, Status> {
        let receivers =
            self.blocking(|controller| Ok(report::receivers(&controller.state(), controller.dataplane()))).await?;
        Ok(Response::new(v1::ListReceiversResponse { receivers }))
    }

    async fn create_receiver(
        &self,
        request: Request<v1::CreateReceiverRequest>,
    ) -> Result<Response<v1::CreateReceiverResponse>, Status> {
        let spec = intake::receiver(request.into_inner())?;
        let name = spec.name.to_string();
        let receivers = self
            .blocking(move |controller| {
                controller.add_receiver(Scope::Operator, spec)?;
                Ok(report::receivers(&controller.state(), controller.dataplane()))
            })
            .await?;
        let receiver = receivers.into_iter().find(|receiver| receiver.name == name);
        Ok(Response::new(v1::CreateReceiverResponse { receiver }))
    }

    async fn delete_receiver(
        &self,
        request: Request<v1::DeleteReceiverRequest>,
    ) -> Result<Response<v1::DeleteReceiverResponse>, Status> {
        let name = intake::name("name", &request.into_inner().name)?;
        self.blocking(move |controller| controller.remove_receiver(Scope::Operator, &name)).await?;
        Ok(Response::new(v1::DeleteReceiverResponse {}))
    }

    async fn list_senders(
        &self,
        _: Request<v1::ListSendersRequest>,
    ) -> Result<Response<v1::ListSendersResponse>, Status> {
        let senders =
            self.blocking(|controller| Ok(report::senders(&controller.state(), controller.dataplane()))).await?;
        Ok(Response::new(v1::ListSendersResponse { senders }))
    }

    async fn create_sender(
        &self,
        request: Request<v1::CreateSenderRequest>,
    ) -> Result<Response<v1::CreateSenderResponse>, Status> {
        let spec = intake::sender(request.into_inner())?;
        let name = spec.name.to_string();
        let senders = self
            .blocking(move |controller| {
                controller.add_sender(Scope::Operator, spec)?;
                Ok(report::senders(&controller.state(), controller.dataplane()))
            })
            .await?;
        let sender = senders.into_iter().find(|sender| sender.name == name);
        Ok(Response::new(v1::CreateSenderResponse { sender }))
    }

    async fn delete_sender(
        &self,
        request: Request<v1::DeleteSenderRequest>,
    ) -> Result<Response<v1::DeleteSenderResponse>, Status> {
        let name = intake::name("name", &request.into_inner().name)?;
        self.blocking(move |controller| controller.remove_sender(Scope::Operator, &name)).await?;
        Ok(Response::new(v1::DeleteSenderResponse {}))
    }

    async fn list_relays(&self, _: Request<v1::ListRelaysRequest>) -> Result<Response<v1::ListRelaysResponse>, Status> {
        let list = |controller: &Controller<D>| Ok(relay_intake::relays(&controller.state(), controller.dataplane()));
        Ok(Response::new(v1::ListRelaysResponse { relays: self.blocking(list).await? }))
    }

    async fn create_relay(
        &self,
        request: Request<v1::CreateRelayRequest>,
    ) -> Result<Response<v1::CreateRelayResponse>, Status> {
        let spec = relay_intake::relay(request.into_inner())?;
        let name = spec.name.to_string();
        let relays = self
            .blocking(move |controller| {
                controller.add_relay(Scope::Operator, spec)?;
                Ok(relay_intake::relays(&controller.state(), controller.dataplane()))
            })
            .await?;
        let relay = relays.into_iter().find(|relay| relay.name == name);
        Ok(Response::new(v1::CreateRelayResponse { relay }))
    }

    async fn delete_relay(
        &self,
        request: Request<v1::DeleteRelayRequest>,
    ) -> Result<Response<v1::DeleteRelayResponse>, Status> {
        let name = intake::name("name", &request.into_inner().name)?;
        self.blocking(move |controller| controller.remove_relay(Scope::Operator, &name)).await?;
        Ok(Response::new(v1::DeleteRelayResponse {}))
    }

    async fn list_flows(&self, _: Request<v1::ListFlowsRequest>) -> Result<Response<v1::ListFlowsResponse>, Status> {
        let flows = self.blocking(|controller| Ok(report::flows(controller.dataplane().flows()))).await?;
        Ok(Response::new(v1::ListFlowsResponse { flows }))
    }

    async fn evict_consumer(
        &self,
        request: Request<v1::EvictConsumerRequest>,
    ) -> Result<Response<v1::EvictConsumerResponse>, Status> {
        let request = request.into_inner();
        let flow = intake::name("flow", &request.flow)?;
        let seat = intake::seat(request.seat)?;
        let consumer = self.blocking(move |controller| controller.evict(&flow, seat)).await?;
        Ok(Response::new(v1::EvictConsumerResponse { consumer: Some(report::consumer(&consumer)) }))
    }

    async fn list_crosspoints(
        &self,
        _: Request<v1::ListCrosspointsRequest>,
    ) -> Result<Response<v1::ListCrosspointsResponse>, Status> {
        let list =
            |controller: &Controller<D>| Ok(report::crosspoints(&controller.state(), &controller.dataplane().flows()));
        Ok(Response::new(self.blocking(list).await?))
    }

    async fn take(&self, request: Request<v1::TakeRequest>) -> Result<Response<v1::TakeResponse>, Status> {
        let request = request.into_inner();
        let destination = intake::name("destination", &request.destination)?;
        let source = intake::optional_name("source", &request.source)?;
        let presence = if request.accept_absent { SourcePresence::Awaited } else { SourcePresence::Required };
        let taken = self.blocking(move |controller| controller.take(&destination, source.as_ref(), presence)).await?;
        let previous_source = taken.previous.map(|name| name.to_string()).unwrap_or_default();
        Ok(Response::new(v1::TakeResponse { version: taken.version, previous_source }))
    }

    async fn restart_port(
        &self,
        request: Request<v1::RestartPortRequest>,
    ) -> Result<Response<v1::RestartPortResponse>, Status> {
        let name = intake::name("name", &request.into_inner().name)?;
        let node = self
            .blocking(move |controller| {
                controller.restart_port(&name)?;
                let mut node = controller.dataplane().node();
                node.ports.retain(|port| port.name == name.as_str());
                Ok(report::node(node))
            })
            .await?;
        Ok(Response::new(v1::RestartPortResponse { port: node.ports.into_iter().next() }))
    }

    async fn move_stream(
        &self,
        request: Request<v1::MoveStreamRequest>,
    ) -> Result<Response<v1::MoveStreamResponse>, Status> {
        let request = request.into_inner();
        let stream = intake::stream(request.stream)?;
        self.blocking(move |controller| controller.move_stream(&stream, &request.worker)).await?;
        Ok(Response::new(v1::MoveStreamResponse {}))
    }

    async fn get_statistics(
        &self,
        _: Request<v1::GetStatisticsRequest>,
    ) -> Result<Response<v1::GetStatisticsResponse>, Status> {
        let statistics = self.blocking(|controller| Ok(report::statistics(controller.dataplane()))).await?;
        Ok(Response::new(v1::GetStatisticsResponse { statistics }))
    }
}

impl From<IntakeError> for Status {
    fn from(refusal: IntakeError) -> Self {
        Self::invalid_argument(refusal.to_string())
    }
}

impl From<ControlError> for Status {
    fn from(refusal: ControlError) -> Self {
        let code = match &refusal {
            ControlError::Spec(_) => Code::InvalidArgument,
            ControlError::NotFound { .. } => Code::NotFound,
            ControlError::Exists { .. } => Code::AlreadyExists,
            ControlError::Owned { .. } => Code::FailedPrecondition,
            ControlError::TooMany { .. } => Code::ResourceExhausted,
            ControlError::Dataplane(refusal) => match refusal {
                DataplaneError::Interface { .. } | DataplaneError::Unsupported { .. } => Code::InvalidArgument,
                DataplaneError::Address { .. } | DataplaneError::PacketIo(_) => Code::FailedPrecondition,
                DataplaneError::Permission { .. } => Code::PermissionDenied,
                DataplaneError::Exhausted { .. } => Code::ResourceExhausted,
                DataplaneError::NoPort { .. } | DataplaneError::NoConsumer { .. } => Code::NotFound,
                DataplaneError::NotEvicted(_) => Code::FailedPrecondition,
                DataplaneError::FlowExists { .. } => Code::AlreadyExists,
                DataplaneError::Stopping => Code::Unavailable,
                DataplaneError::System { .. } => Code::Internal,
            },
        };
        Self::new(code, refusal.to_string())
    }
}
