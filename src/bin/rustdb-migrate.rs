//! Writes new directories from RustDB 1.3-2.x data; see `rustdb-migrate(1)`.

fn main() -> std::process::ExitCode {
    rustdb_migrate::cli::run_migrate()
}
