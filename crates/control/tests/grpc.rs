//! The API over a Unix socket, as a client sees it, against the recording data plane.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::sync::Arc;

use control::recording::{RecordingDataplane, Told};
use control::v1::flypack_client::FlypackClient;
use control::{ConsumerClass, ConsumerHolder, ConsumerStatus, Controller, Endpoint, Listener, Scope, SenderSpec, v1};
use media::Name;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic::transport::Channel;

const SDP: &str = include_str!("camera.sdp");

struct Gateway {
    folder: tempfile::TempDir,
    endpoint: Endpoint,
    controller: Arc<Controller<RecordingDataplane>>,
    dataplane: RecordingDataplane,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), control::ServeError>>,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(folder.path().join("control.sock"));
        let listener = Listener::bind(&endpoint, 0o600).unwrap();
        let dataplane = RecordingDataplane::default();
        let controller = Arc::new(Controller::new(dataplane.clone()));
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(control::serve(Arc::clone(&controller), listener, shutdown));
        Self { folder, endpoint, controller, dataplane, stop, served }
    }

    async fn client(&self) -> FlypackClient<Channel> {
        control::connect(&self.endpoint).await.unwrap()
    }

    async fn channel(&self) -> Channel {
        let Endpoint::Unix(path) = self.endpoint.clone() else { unreachable!() };
        let dial = tower::service_fn(move |_: tonic::transport::Uri| {
            let path = path.clone();
            async move { tokio::net::UnixStream::connect(path).await.map(hyper_util::rt::TokioIo::new) }
        });
        Channel::from_static("http://flypack.invalid").connect_with_connector(dial).await.unwrap()
    }
}

fn camera(name: &str) -> v1::CreateReceiverRequest {
    v1::CreateReceiverRequest { name: name.into(), sdp: SDP.into(), ..Default::default() }
}

fn sender(name: &str) -> v1::CreateSenderRequest {
    v1::CreateSenderRequest { name: name.into(), destination: "239.1.1.2:5004".into(), ..Default::default() }
}

fn take(destination: &str, source: &str) -> v1::TakeRequest {
    v1::TakeRequest { destination: destination.into(), source: source.into(), accept_absent: false }
}

#[tokio::test]
async fn a_camera_is_received_and_sent_on() {
    let gateway = Gateway::start();
    let mut client = gateway.client().await;
    let made = client.create_receiver(camera("cam")).await.unwrap().into_inner().receiver.unwrap();
    assert_eq!((made.name.as_str(), made.scope()), ("cam", v1::Scope::Operator));
    assert_eq!(made.destination, "239.1.1.1:5004");
    let format = made.format.unwrap();
    assert_eq!((format.width, format.height, format.depth_bits), (64, 8, 10));
    assert_eq!((format.sampling.as_str(), format.rate), ("YCbCr-4:2:2", Some(v1::Rate { num: 25, den: 1 })));

    let made = client.create_sender(sender("out")).await.unwrap().into_inner().sender.unwrap();
    assert_eq!((made.state(), made.payload_type, made.dscp, made.ttl), (v1::SenderState::Idle, 96, 34, 64));
    assert_eq!((made.packing(), made.limit()), (v1::PackingMode::General, v1::UdpLimit::Standard));

    let taken = client.take(take("out", "cam")).await.unwrap().into_inner();
    assert_eq!((taken.version, taken.previous_source.as_str()), (1, ""));
    let crosspoints = client.list_crosspoints(v1::ListCrosspointsRequest {}).await.unwrap().into_inner();
    let expected = v1::Crosspoint { destination: "out".into(), source: "cam".into(), source_present: true };
    assert_eq!((crosspoints.version, crosspoints.crosspoints), (1, vec![expected]));
    let senders = client.list_senders(v1::ListSendersRequest {}).await.unwrap().into_inner().senders;
    assert_eq!((senders[0].state(), senders[0].source.as_str()), (v1::SenderState::Sending, "cam"));
    assert!(senders[0].sdp.starts_with("v=0"));

    let cleared = client.take(take("out", "")).await.unwrap().into_inner();
    assert_eq!((cleared.version, cleared.previous_source.as_str()), (2, "cam"));
    client.delete_sender(v1::DeleteSenderRequest { name: "out".into() }).await.unwrap();
    client.delete_receiver(v1::DeleteReceiverRequest { name: "cam".into() }).await.unwrap();
    assert!(client.list_flows(v1::ListFlowsRequest {}).await.unwrap().into_inner().flows.is_empty());
    assert_eq!(gateway.dataplane.told().len(), 6);
}

#[tokio::test]
async fn refusals_have_a_code_and_say_what_would_work() {
    let gateway = Gateway::start();
    let mut client = gateway.client().await;
    client.create_receiver(camera("cam")).await.unwrap();
    client.create_sender(sender("a")).await.unwrap();
    let file_owned = SenderSpec::new("b".parse().unwrap(), "10.0.0.1:5004".parse().unwrap());
    gateway.controller.add_sender(Scope::File, file_owned).unwrap();

    let refused = client.take(take("x", "cam")).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "there is no sender \"x\"; there are: a, b"));
    let refused = client.take(take("a", "y")).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "there is no flow \"y\"; there are: cam"));
    let refused = client.take(take("", "cam")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("destination: "), "{}", refused.message());
    let refused = client.create_receiver(camera("cam")).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let refused = client.delete_sender(v1::DeleteSenderRequest { name: "b".into() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("configuration file"), "{}", refused.message());
    let empty = v1::CreateReceiverRequest { name: "cam-2".into(), ..Default::default() };
    assert_eq!(client.create_receiver(empty).await.unwrap_err().code(), Code::InvalidArgument);
    let nowhere = v1::CreateSenderRequest { destination: "0.0.0.0:0".into(), ..sender("c") };
    assert_eq!(client.create_sender(nowhere).await.unwrap_err().code(), Code::InvalidArgument);
    let available = vec!["eth0".to_owned(), "lo".to_owned()];
    gateway.dataplane.refuse_next(control::DataplaneError::Interface { interface: "eth9".into(), available });
    let refused = client.create_sender(sender("c")).await.unwrap_err();
    assert_eq!(refused.message(), "there is no network interface \"eth9\"; there are: eth0, lo");
}

#[tokio::test]
async fn a_request_is_bounded() {
    let gateway = Gateway::start();
    let mut client = gateway.client().await;
    let large = v1::CreateReceiverRequest { sdp: "v".repeat(70_000), ..camera("cam") };
    let refused = client.create_receiver(large).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("70000 octets"), "{}", refused.message());
    let huge = v1::CreateReceiverRequest { sdp: "v".repeat(1_000_000), ..camera("cam") };
    assert_eq!(client.create_receiver(huge).await.unwrap_err().code(), Code::OutOfRange);
    assert!(gateway.dataplane.told().is_empty());
}

#[tokio::test]
async fn a_source_may_be_awaited() {
    let gateway = Gateway::start();
    let mut client = gateway.client().await;
    client.create_sender(sender("out")).await.unwrap();
    let awaited = v1::TakeRequest { accept_absent: true, ..take("out", "pod") };
    assert_eq!(client.take(awaited).await.unwrap().into_inner().version, 1);
    let crosspoints = client.list_crosspoints(v1::ListCrosspointsRequest {}).await.unwrap().into_inner().crosspoints;
    assert!(!crosspoints[0].source_present);
    assert!(matches!(gateway.dataplane.told().last(), Some(Told::Apply(table)) if table.version == 1));
}

#[tokio::test]
async fn the_node_and_its_counters_are_told() {
    let gateway = Gateway::start();
    let mut client = gateway.client().await;
    client.create_receiver(camera("cam")).await.unwrap();
    client.create_sender(sender("out")).await.unwrap();
    let node = client.get_node(v1::GetNodeRequest {}).await.unwrap().into_inner().node.unwrap();
    assert_eq!((node.version.as_str(), node.workers[0].core, node.clock_locked), ("0.0.0-recording", Some(1), false));
    let statistics = client.get_statistics(v1::GetStatisticsRequest {}).await.unwrap().into_inner().statistics;
    let kinds: Vec<_> = statistics.iter().map(|of| (of.kind(), of.name.as_str())).collect();
    use v1::StatisticsKind::{Broker, Flow, Receiver, Sender, Worker};
    let expected = [(Receiver, "cam"), (Sender, "out"), (Flow, "cam"), (Worker, "worker-0"), (Broker, "broker")];
    assert_eq!(kinds, expected);
    assert_eq!(statistics[4].counters, [v1::Counter { name: "adoptions_refused".into(), value: 2 }]);
    let dropped = v1::Counter { name: "dropped_row_packets".into(), value: 3 };
    assert!(statistics[0].counters.contains(&dropped));
    let flows = client.list_flows(v1::ListFlowsRequest {}).await.unwrap().into_inner().flows;
    assert_eq!(flows[0].epoch, "00000000000000000000000000000abc");
    assert!(flows[0].producer.unwrap().gateway);
}

#[tokio::test]
async fn a_consumer_is_shown_and_evicted_by_its_seat() {
    let gateway = Gateway::start();
    let mut client = gateway.client().await;
    client.create_receiver(camera("cam")).await.unwrap();
    let cam: Name = "cam".parse().unwrap();
    let class = ConsumerClass::Leased { k: 2 };
    let (holder, state) = (ConsumerHolder::Pod { uid: 1000, pid: Some(4711) }, "live");
    let consumer = ConsumerStatus { seat: 7, holder, class, state, lag_grains: 3, held_slots: 2, quarantined_slots: 0 };
    gateway.dataplane.add_consumer(&cam, consumer);
    let flows = client.list_flows(v1::ListFlowsRequest {}).await.unwrap().into_inner().flows;
    assert_eq!((flows[0].slot_use.unwrap().done, flows[0].consumers_evicted), (4, 5));
    let shown = flows[0].consumers[0].clone();
    assert_eq!((shown.seat, shown.held_slots, shown.lag_grains, shown.gateway), (7, 2, 3, false));

    let evict = |flow: &str, seat| v1::EvictConsumerRequest { flow: flow.into(), seat };
    let evicted = client.evict_consumer(evict("cam", 7)).await.unwrap().into_inner().consumer;
    assert_eq!(evicted, Some(shown));
    assert_eq!(gateway.dataplane.told().last(), Some(&Told::Evict(cam, 7)));
    for (flow, seat, code, part) in [
        ("cam", 6, Code::NotFound, "seat 6 of flow \"cam\" is nobody's; those taken are: 7"),
        ("dog", 7, Code::NotFound, "there is no such flow"),
        ("cam", 64, Code::InvalidArgument, "seats 0 to 63"),
        ("", 7, Code::InvalidArgument, "flow: "),
    ] {
        let refused = client.evict_consumer(evict(flow, seat)).await.unwrap_err();
        assert_eq!(refused.code(), code, "{flow} {seat}");
        assert!(refused.message().contains(part), "{}", refused.message());
    }
    assert_eq!(gateway.dataplane.told().len(), 2);
}

#[tokio::test]
async fn health_and_both_reflections_answer() {
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    use tonic_reflection::pb::{v1 as stable, v1alpha};

    let gateway = Gateway::start();
    let channel = gateway.channel().await;
    for service in ["", "flypack.v1.Flypack"] {
        let asked = HealthCheckRequest { service: service.into() };
        let health = HealthClient::new(channel.clone()).check(asked).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::Serving, "{service}");
    }

    let asked = stable::server_reflection_request::MessageRequest::ListServices(String::new());
    let asked = stable::ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let mut client = stable::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::once(asked)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let stable::server_reflection_response::MessageResponse::ListServicesResponse(services) = answer else {
        panic!("{answer:?}")
    };
    assert!(services.service.iter().any(|service| service.name == "flypack.v1.Flypack"));

    let asked = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol("flypack.v1.Flypack".into());
    let asked = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(tokio_stream::once(asked)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(files.file_descriptor_proto.len(), 1);
}

#[tokio::test]
async fn shutdown_ends_calls_and_removes_the_socket() {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    let gateway = Gateway::start();
    // A watch that would never end by itself.
    let asked = HealthCheckRequest { service: String::new() };
    let mut watch = HealthClient::new(gateway.channel().await).watch(asked).await.unwrap().into_inner();
    assert!(watch.next().await.unwrap().is_ok());
    gateway.stop.send(()).unwrap();
    gateway.served.await.unwrap().unwrap();
    assert_eq!(std::fs::read_dir(gateway.folder.path()).unwrap().count(), 0);
    let refused = control::connect(&gateway.endpoint).await.unwrap_err().to_string();
    assert!(refused.contains("start it with `flypackd"), "{refused}");
}

#[tokio::test]
async fn the_api_is_served_over_tcp_too() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::Http(socket.local_addr().unwrap().to_string());
    let controller = Arc::new(Controller::new(RecordingDataplane::default()));
    tokio::spawn(control::serve(controller, Listener::tcp(socket).unwrap(), std::future::pending()));
    let mut client = control::connect(&endpoint).await.unwrap();
    assert!(client.get_node(v1::GetNodeRequest {}).await.unwrap().into_inner().node.is_some());
}

#[tokio::test]
async fn what_is_no_gateway_is_said_to_be_none() {
    let closed = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Endpoint::Http(socket.local_addr().unwrap().to_string())
    };
    let refused = control::connect(&closed).await.unwrap_err();
    assert!(matches!(refused, control::ConnectError::NotRunning { .. }), "{refused:?}");
}
