//! The whole worker over the simulator, in virtual time.

mod convoys;
mod crossing;
mod devices;
mod hostile;
mod idling;
mod launching;
mod legs;
mod many;
mod moves;
mod outputs;
mod pacing;
mod receive;
mod relay;
mod restart;
mod send;
mod shared;
mod sharing;
mod standstill;
mod studio;
mod two_ways;
mod unsteady;
