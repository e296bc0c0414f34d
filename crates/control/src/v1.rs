//! The generated types, client and server of `flypack.v1` (`proto/flypack/v1/*.proto`).
#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

tonic::include_proto!("flypack.v1");

/// The descriptors of the API, a serialised `google.protobuf.FileDescriptorSet`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("flypack.v1");
