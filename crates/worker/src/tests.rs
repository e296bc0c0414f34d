//! The whole worker over the simulator, in virtual time.

mod hostile;
mod receive;
mod send;
mod studio;
mod unsteady;
