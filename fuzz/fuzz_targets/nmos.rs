//! NMOS flow resources: any text is refused or read, and what was read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::Tai;
use shm::nmos::{Colorspace, FlowResource, Provenance};
use uuid::Uuid;

fuzz_target!(|text: &str| {
    let Ok(resource) = FlowResource::from_json(text) else { return };
    let provenance = Provenance {
        version: Tai::EPOCH,
        source_id: Uuid::from_u128(1),
        device_id: Uuid::from_u128(2),
        colorspace: Colorspace::Bt709,
    };
    let written = resource.to_value(&provenance).to_string();
    let again = FlowResource::from_json(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again, resource);
});
