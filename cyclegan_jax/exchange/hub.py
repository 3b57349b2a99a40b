"""Generators on the Hugging Face hub: pushed as they are saved, and loaded from an address `hf://USER/NAME`.

Of a model on the hub two files are fetched, `config.json` and `model.safetensors`; neither can run code. What was
fetched once is in the hub's own cache, and loads without a network. The package huggingface-hub is an extra.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cyclegan_jax
from cyclegan_jax import files
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import pretrained

# A path collapses the two slashes, and the commands have paths.
_ADDRESS: Final = re.compile(r"hf:/{1,2}(.*)", re.DOTALL)
_TIMEOUT: Final = 5.0
"""Seconds to wait for an answer of the hub before the cache is all there is."""
_NO_FETCH: Final = (
    "is not in the cache of the hub, which cannot be reached ({why}): connect to the network, or copy the folder of "
    "the model from where it is and give its path"
)
_NO_PUSH: Final = "cannot be written, as the hub cannot be reached ({why}): connect to the network, and run this again"
_NAME: Final = re.compile(r"([\w.-]+/[\w.-]+)(?:@(\S+))?")


@dataclass(frozen=True)
class Address:
    """A model on the hub.

    Attributes:
        name: user or organization, and name: `USER/NAME`.
        revision: branch, tag or commit; None is the branch `main`.
    """

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf://{self.name}" + (f"@{self.revision}" if self.revision else "")


def address(text: str, revision: str | None = None) -> Address:
    """The model that `USER/NAME`, `USER/NAME@REVISION`, or one of them after `hf://`, stands for.

    Raises:
        UserError: it is written in another form, or has another revision than `revision`.
    """
    prefixed = _ADDRESS.fullmatch(text)
    found = _NAME.fullmatch(prefixed[1] if prefixed else text)
    if found is None:
        given = f"hf://{prefixed[1]}" if prefixed else text
        raise UserError(f"{given!r} is no model of the hub: write USER/NAME, or hf://USER/NAME in the place of a path")
    if revision and found[2] not in (None, revision):
        raise UserError(f"{text} has the revision {found[2]}, but revision is {revision}: leave one of them out")
    return Address(found[1], found[2] or revision)


def local(run: str | Path) -> str | Path:
    """Fetch the model that an address `hf://USER/NAME` stands for; what is no such address is returned as it is.

    Returns:
        The folder of the model, in the cache of the hub.

    Raises:
        UserError: as for `fetch`.
    """
    return fetch(address(str(run))) if _ADDRESS.fullmatch(str(run)) else run


def fetch(model: Address) -> Path:
    """Fetch a model that `push` or `Generator.push_to_hub` wrote, and return its folder in the cache of the hub.

    Raises:
        UserError: huggingface-hub is not installed; the hub cannot be reached and the model is not in the cache; there
            is no such model, revision, or right to read it; or it was not exported by cyclegan-jax.
    """
    api = _api(str(model))
    from huggingface_hub import errors, get_session

    with _sentences(model, api.endpoint, _NO_FETCH):
        try:
            # Without a network the library would try for half a minute.
            get_session().head(api.endpoint, timeout=_TIMEOUT)
        except (errors.HTTPError, errors.OfflineModeIsEnabled) as no_answer:
            try:
                return _download(api, model, local_files_only=True)
            except errors.LocalEntryNotFoundError:
                raise no_answer from no_answer.__cause__
        return _download(api, model, local_files_only=False)


def push(model: Address, contents: Mapping[str, bytes], private: bool | None, message: str) -> str:
    """Write files to a model on the hub as one commit; the model is made where there is none.

    Args:
        model: where; a revision is a branch, made where there is none.
        contents: the files by name; other files of the model stay as they are.
        private: whether a new model is private; None is the default of its owner.
        message: the commit's message.

    Returns:
        The web address of the commit.

    Raises:
        UserError: huggingface-hub is not installed, no token is set, or the hub cannot be reached or refuses.
    """
    api = _api(str(model))
    if not _has_token():
        raise UserError(
            f"{model} cannot be written without a token: log in with `hf auth login`, or set HF_TOKEN to a token that "
            f"may write ({api.endpoint}/settings/tokens)"
        )
    from huggingface_hub import CommitOperationAdd

    with _sentences(model, api.endpoint, _NO_PUSH):
        api.create_repo(model.name, private=private, exist_ok=True)
        if model.revision:
            api.create_branch(model.name, branch=model.revision, exist_ok=True)
        added = [CommitOperationAdd(name, content) for name, content in contents.items()]
        return str(api.create_commit(model.name, added, commit_message=message, revision=model.revision).commit_url)


def _api(what: str) -> Any:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UserError(
            f"{what} needs huggingface-hub, which is not installed: pip install 'cyclegan-jax[hub]'"
        ) from error
    # The library reads the variable once, when it is imported, which in a notebook is too early.
    endpoint = os.environ.get("HF_ENDPOINT")
    return HfApi(endpoint, library_name="cyclegan-jax", library_version=cyclegan_jax.__version__)


def _download(api: Any, model: Address, local_files_only: bool) -> Path:
    def file(name: str, revision: str | None) -> Path:
        return Path(api.hf_hub_download(model.name, name, revision=revision, local_files_only=local_files_only))

    config = file(pretrained.CONFIG, model.revision)
    # Before the weights, which of another program's model may be large.
    if not _is_ours(config):
        raise UserError(
            f"{model} holds no generator of cyclegan-jax: its {pretrained.CONFIG} belongs to another program"
        )
    # The folder's name is the commit: the weights are of the same one, even where a new one arrives meanwhile.
    file(pretrained.WEIGHTS, config.parent.name)
    return config.parent


def _has_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def _is_ours(config: Path) -> bool:
    try:
        found = json.loads(files.read_bytes(config))
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("model_type") == pretrained.MODEL_TYPE


@contextlib.contextmanager
def _sentences(model: Address, endpoint: str, offline: str) -> Iterator[None]:
    """Turn the errors of huggingface_hub into one sentence each.

    Args:
        model: the sentence's subject.
        endpoint: the address of the hub.
        offline: the rest of the sentence where the hub cannot be reached; `{why}` is replaced by the reason.
    """
    from huggingface_hub import errors

    # What is no system's or HTTP error: an upload that breaks off, and in newer versions a download.
    broken = (RuntimeError, getattr(errors, "XetDownloadError", RuntimeError))
    try:
        yield
    except UserError:
        raise
    except errors.HFValidationError as error:
        raise UserError(f"{model} is no name that the hub allows ({error})") from error
    except errors.HfHubHTTPError as error:
        raise UserError(_refusal(model, endpoint, error)) from error
    except (errors.HTTPError, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError, *broken) as error:
        if isinstance(error.__cause__, errors.HfHubHTTPError):
            raise UserError(_refusal(model, endpoint, error.__cause__)) from error
        raise UserError(f"{model} {offline.format(why=_reason(endpoint, error))}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{model} cannot be stored in the cache of the hub ({reason}): set HF_HOME to another folder"
        ) from error


def _refusal(model: Address, endpoint: str, error: Any) -> str:
    """What an answer of the hub that is no success means for the user."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"{model} is for those who accept its conditions: accept them at {endpoint}/{model.name}, and log in"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{model.name} has no branch, tag or commit {model.revision or 'main'} on the hub: give another revision"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"{model} holds no generator of cyclegan-jax: it has no {pretrained.CONFIG} and {pretrained.WEIGHTS}"
    status = error.response.status_code
    if status == 401 and _has_token():
        return f"{model}: the hub does not accept your token: log in anew with `hf auth login`, or change HF_TOKEN"
    if isinstance(error, errors.RepositoryNotFoundError) or status == 401:
        if _has_token():
            return f"{model} does not exist, or your token gives no access to it: check the name and the token"
        return f"{model} does not exist, or is private: check the name, or log in with `hf auth login` or HF_TOKEN"
    if status == 403:
        return (
            f"your token gives no right to do this with {model}: make one that does at {endpoint}/settings/tokens, and "
            "log in with it"
        )
    return f"{model}: {endpoint} answered {status} {error.response.reason_phrase}: try again later"


def _reason(endpoint: str, error: BaseException) -> str:
    """Why the hub cannot be reached: the first cause of an error, which is the system's."""
    from huggingface_hub import errors

    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    return f"{endpoint}: {str(error).partition(chr(10))[0] or type(error).__name__}"
