//! Whole-system tests: real programs, real Envoys. They are in `tests/it`; the programs must be built
//! (`make test` does).
