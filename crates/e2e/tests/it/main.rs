//! One binary, so that the cases link once; a semaphore keeps the number of meshes at a time small.

mod databases;
mod demo;
mod documents;
mod encrypted;
mod examples;
mod gateway;
mod inspect;
mod launcher;
mod mesh;
mod moves;
mod outage;
mod policies;
mod resilience;
mod several;
mod traffic;
