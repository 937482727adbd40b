"""What a run leaves behind: the run folder and the functions that write. Needs no torch."""

from .cache import cache_folder
from .folder import RunFolder, RunLock, discard_run, find_run, list_runs, new_run, slug
from .origin import describe_origin, library_versions
from .writing import (
    cell_text,
    check_space,
    link_file,
    make_folder,
    new_file,
    remove_stale,
    replace_file,
    storage_errors,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)

__all__ = [
    "RunFolder",
    "RunLock",
    "cache_folder",
    "cell_text",
    "check_space",
    "describe_origin",
    "discard_run",
    "find_run",
    "library_versions",
    "link_file",
    "list_runs",
    "make_folder",
    "new_file",
    "new_run",
    "remove_stale",
    "replace_file",
    "slug",
    "storage_errors",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_text",
]
