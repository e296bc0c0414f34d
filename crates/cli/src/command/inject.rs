//! `inject`: thin over the API. The gateway does it all; this only watches.

use std::thread;

use control::{Endpoint, v1};

use super::archive::{LOOK, exit};
use crate::arguments::{Inject, InjectionPace};
use crate::gateway::Gateway;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::stop::Stop;
use crate::view::InjectionView;
use crate::{Exit, Failure};

pub(super) fn run(endpoint: &Endpoint, arguments: Inject, printer: Printer) -> Result<Exit, Failure> {
    let signal = Stop::at_signals()?;
    let mut gateway = Gateway::connect(endpoint, printer)?;
    let Inject { port, file, repeat, pace, detach, stop } = arguments;
    let port = port.to_string();
    let mut injection = if stop {
        ended(&mut gateway, &port)?
    } else {
        let pace = match pace {
            InjectionPace::Recorded => v1::InjectionPace::Recorded,
            InjectionPace::Unpaced => v1::InjectionPace::Unpaced,
        };
        let file = file.unwrap_or_default();
        let request = v1::StartInjectionRequest { port: port.clone(), file, repeat, pace: pace.into() };
        gateway.archive(async |client| client.start_injection(request).await)?.injection.unwrap_or_default()
    };
    let mut progress = Progress::new(printer, "injected");
    while !detach && injection.state() == v1::ArchiveState::Running {
        thread::sleep(LOOK);
        injection = if signal.is_raised() { ended(&mut gateway, &port)? } else { looked_at(&mut gateway, &port)? };
        progress.update(injection.packets, None, String::new);
    }
    drop(progress);
    let exit = exit(injection.state(), true);
    let view = InjectionView::from(injection);
    printer.result(&view, || view.text())?;
    Ok(exit)
}

fn ended(gateway: &mut Gateway, port: &str) -> Result<v1::Injection, Failure> {
    let request = v1::StopInjectionRequest { port: port.to_owned() };
    Ok(gateway.archive(async |client| client.stop_injection(request).await)?.injection.unwrap_or_default())
}

fn looked_at(gateway: &mut Gateway, port: &str) -> Result<v1::Injection, Failure> {
    let answer = gateway.archive(async |client| client.list_injections(v1::ListInjectionsRequest {}).await)?;
    let found = answer.injections.into_iter().find(|injection| injection.port == port);
    found.ok_or_else(|| tonic::Status::not_found(format!("somebody else has stopped what port {port} receives")).into())
}
