//! The command `shadegrad`.

fn main() -> std::process::ExitCode {
    shadegrad::cli::main(std::time::Instant::now())
}
