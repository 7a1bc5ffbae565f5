//! The `fr-serve` program: everything it does is in the `service` crate.

fn main() -> std::process::ExitCode {
    service::main()
}
