//! One binary, so that the cases link once; a semaphore keeps the number of meshes at a time small.

mod demo;
mod documents;
mod examples;
mod gateway;
mod launcher;
mod mesh;
mod policies;
mod resilience;
mod traffic;
