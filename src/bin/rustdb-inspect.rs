//! Shows what is in a RustDB data directory; see `rustdb-inspect(1)`.

fn main() -> std::process::ExitCode {
    rustdb_migrate::cli::run_inspect()
}
