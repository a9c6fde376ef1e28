"""Ask the interfaces of Google Cloud by REST, and put their refusals into words: which role on what."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from google.auth import default, exceptions
from google.auth.transport import Request, Response

from akin.errors import CloudError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TRIES = 4
PAUSE = 1.0
"""Half of the first pause between two tries, in s; each later pause is twice as long."""
_LOG_IN = "run `gcloud auth application-default login`; on Google Cloud, give the machine or the pod a service account"
# The role that has a permission, by the beginning of its name in small letters, and the place where it is granted.
ROLES = {
    "aiplatform.": ("roles/aiplatform.user", "the project {project}"),
    "iam.serviceaccounts.actas": ("roles/iam.serviceAccountUser", "the service account that the job runs as"),
    "logging.": ("roles/logging.viewer", "the project {project}"),
    "secretmanager.": ("roles/secretmanager.secretAccessor", "the secret"),
    "storage.": ("roles/storage.objectUser", "the bucket"),
    "artifactregistry.": ("roles/artifactregistry.reader", "the repository of images"),
}
_SERVICES = {"aiplatform": "aiplatform.", "logging": "logging.", "secretmanager": "secretmanager."}


class NotFound(CloudError):
    """Resource that does not exist, or not in this region."""


class GoogleApi:
    """Client of a project's interfaces, with the credentials of this machine."""

    def __init__(self, project: str, endpoints: Mapping[str, str]) -> None:
        """Find the credentials; no interface is asked yet.

        Args:
            project: Id of the project.
            endpoints: Addresses of interfaces that are not the public ones.

        Raises:
            CloudError: There are no credentials.
        """
        self.project = project
        self._endpoints = endpoints
        self._transport = _Transport()
        try:
            self._credentials, _ = default(scopes=[SCOPE], request=self._transport)
        except exceptions.GoogleAuthError as error:
            raise CloudError(f"no Google credentials: {_first(error)}. Next: {_LOG_IN}.") from error

    def call(
        self,
        service: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        region: str = "",
    ) -> dict[str, Any]:
        """Return the answer of an interface.

        Args:
            service: `aiplatform`, `logging` or `secretmanager`.
            method: `GET` or `POST`.
            path: What is asked for, after the version.
            body: The request, if it has one.
            params: Parameters of the address.
            region: Region of an interface that has an address in each.

        Raises:
            NotFound: It does not exist.
            CloudError: Google refused, or cannot be reached; the message names what is missing.
        """
        host = f"{region}-{service}" if region else service
        base = self._endpoints.get(service, f"https://{host}.googleapis.com").rstrip("/")
        url = f"{base}/{'v2' if service == 'logging' else 'v1'}/{path}"
        for attempt in range(1, TRIES + 1):
            headers = self._headers()
            try:
                sent = None if body is None else dict(body)
                answer = httpx.request(method, url, json=sent, params=params, headers=headers, timeout=60.0)
            except httpx.HTTPError as error:
                failure = f"{url.split('/v')[0]} cannot be reached: {_first(error) or type(error).__name__}"
                again = method == "GET" or isinstance(error, httpx.ConnectError)
            else:
                if answer.is_success:
                    return self._decode(answer, url)
                failure = self._refusal(answer, service, region)
                if answer.status_code == 404:
                    raise NotFound(failure)
                again = answer.status_code in (502, 503, 504) or (answer.status_code == 500 and method == "GET")
            if not again or attempt == TRIES:
                raise CloudError(failure)
            time.sleep(PAUSE * 2**attempt)
        raise AssertionError("unreachable")

    def _decode(self, answer: httpx.Response, url: str) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise CloudError(f"{url} answered with something that is no JSON object: is the address right?")
        return found

    def _headers(self) -> dict[str, str]:
        try:
            if not self._credentials.valid:
                self._credentials.refresh(self._transport)
        except exceptions.RefreshError as error:
            raise CloudError(
                f"the Google credentials have expired or were revoked ({_first(error)}): {_LOG_IN}."
            ) from error
        except exceptions.GoogleAuthError as error:
            raise CloudError(
                f"no access token from Google ({_first(error)}): check the network, or {_LOG_IN}."
            ) from error
        return {"Authorization": f"Bearer {self._credentials.token}", "x-goog-user-project": self.project}

    def _refusal(self, answer: httpx.Response, service: str, region: str) -> str:
        """Return the reason of a refusal and the next step, in words."""
        status, message, reasons = _read_error(answer)
        if answer.status_code == 401:
            return f"Google refused the credentials ({message}): {_LOG_IN}."
        if answer.status_code == 403 and reasons & {"SERVICE_DISABLED", "accessNotConfigured"}:
            return (
                f"the interface {service} is not enabled in {self.project}: "
                f"gcloud services enable {service}.googleapis.com --project={self.project}"
            )
        if answer.status_code == 403 and "BILLING_DISABLED" in reasons:
            return f"billing is off in the project {self.project}: {message}"
        if "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in reasons:
            return (
                f"the token of this machine does not cover {service}: give the job an account of its own "
                "(train.service_account), or log in again with all scopes."
            )
        # The refusal to act as an account comes with 400 too, and names no permission.
        if answer.status_code == 403 or "permission to act as" in message:
            return self._missing_role(message, service)
        if answer.status_code == 429 or status == "RESOURCE_EXHAUSTED":
            return (
                f"a quota is used up: {message} Ask for more (https://console.cloud.google.com/iam-admin/quotas, "
                f"project {self.project}{f', region {region}' if region else ''}), or take another accelerator, "
                "another region or, with train.spot, the quota of preemptible ones."
            )
        if answer.status_code == 404:
            return f"Google has no such thing ({message}): are the project {self.project} and the region right?"
        if answer.status_code == 400 and region:
            return f"Google refused the request: {message} (project {self.project}, region {region})"
        return f"Google answered {answer.status_code}: {message}"

    def _missing_role(self, message: str, service: str) -> str:
        if "permission to act as" in message:
            message = f"iam.serviceAccounts.actAs: {message}"
        key, permission = find_permission(message, ROLES)
        role, where = ROLES[key or _SERVICES[service]]
        account = getattr(self._credentials, "service_account_email", "") or "your account"
        return (
            f"permission denied{f' ({permission})' if permission else ''}: {account} needs {role} on "
            f"{where.format(project=self.project)}. Google says: {message} docs/cloud.md lists the roles of each step."
        )


def find_permission(message: str, known: Iterable[str]) -> tuple[str, str]:
    """Return the first beginning of a permission that a message names, and the whole name; empty if it names none."""
    for name in re.findall(r"\b[a-z][A-Za-z]*\.[A-Za-z]+\.[A-Za-z]+\b", message):
        for key in known:
            if name.lower().startswith(key):
                return key, name
    return "", ""


class _Transport(Request):
    """Requests of the library for tokens, sent by httpx, so that no second HTTP client is needed."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Response:
        try:
            answer = httpx.request(method, url, content=body, headers=headers, timeout=timeout or 30.0)
        except httpx.HTTPError as error:
            raise exceptions.TransportError(error) from error
        return _Answer(answer)


class _Answer(Response):
    """Answer of httpx in the form of the library."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._answer.headers

    @property
    def data(self) -> bytes:
        return self._answer.content


def _read_error(answer: httpx.Response) -> tuple[str, str, set[str]]:
    """Return the status, the message and the reasons of an error of Google, whatever its form."""
    try:
        error = answer.json()["error"]
        details = [each for each in error.get("details") or [] if isinstance(each, dict)]
        reasons = {str(each.get("reason", "")) for each in details}
        reasons |= {str(each.get("reason", "")) for each in error.get("errors") or [] if isinstance(each, dict)}
        message = " ".join(str(error.get("message", "")).split())[:600]
        return str(error.get("status", "")), f"{message.rstrip('.')}.", reasons
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", f"{' '.join(answer.text.split())[:200] or answer.reason_phrase}.", set()


def _first(error: Exception) -> str:
    text = str(error.args[0]) if error.args else ""
    return " ".join(text.split())[:300].rstrip(".")
