"""Where the files of a known data set are looked for, and how they are downloaded."""

from __future__ import annotations

import http.client
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..runs import cache_folder, make_folder

SYSTEM_FOLDER = Path("/usr/share/datasets")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A published file.

    Args:
        name: its name as published.
        url: where it is downloaded from.
        sha256: its digest, checked after the download.
    """

    name: str
    url: str
    sha256: str


def places(dataset: str, root: str | None) -> list[Path]:
    """The folders that may hold a data set's files, in the order in which they are looked into."""
    found = [Path(root) / dataset, Path(root)] if root else []
    if os.environ.get("ALEXNET_DATA"):
        found.append(Path(os.environ["ALEXNET_DATA"]) / dataset)
    return [*found, SYSTEM_FOLDER / dataset, cache_folder() / "data" / dataset]


def find_file(dataset: str, names: tuple[str, ...], root: str | None) -> Path | None:
    """The first of `names`, compressed or not, in the first place that has one."""
    spellings = [name for full in names for name in dict.fromkeys((full, full.removesuffix(".gz")))]
    for folder in places(dataset, root):
        for name in spellings:
            if (folder / name).is_file():
                return folder / name
    return None


def download(dataset: str, file: RemoteFile) -> Path:
    """Downloads a file into the cache with torch's own downloader, which checks its digest before it appears.

    Raises:
        DataError: it cannot be had, or its digest is wrong.
    """
    import torch

    target = make_folder(cache_folder() / "data" / dataset) / file.name
    try:
        torch.hub.download_url_to_file(file.url, str(target), hash_prefix=file.sha256, progress=True)
    except (OSError, RuntimeError, ValueError, http.client.HTTPException) as error:
        raise DataError(f"{file.url} could not be downloaded: {error}.") from error
    return target


def obtain(dataset: str, file: RemoteFile, root: str | None, also: tuple[str, ...] = ()) -> Path:
    """The path of a published file: found in one of the places, else downloaded.

    Args:
        also: other names under which the same content may lie.

    Raises:
        DataError: it is nowhere and cannot be downloaded; says where it was looked for and how to put it there.
    """
    found = find_file(dataset, (file.name, *also), root)
    if found is not None:
        return found
    try:
        return download(dataset, file)
    except DataError as error:
        looked = ", ".join(str(place) for place in places(dataset, root))
        raise DataError(
            f"{file.name} of «{dataset}» is not in {looked}, and {error.message}",
            f"Put the file into {places(dataset, root)[-1]}, or into FOLDER/{dataset}/ and set ALEXNET_DATA=FOLDER;"
            " or train on «sample», which needs no download.",
        ) from error
