"""Behind nginx, a real proxy that speaks TLS: forms are taken, messages name it, callers have limits of their own."""

import shutil
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gridbourse.service.settings import ServiceSettings
from service import PASSWORD, Service, until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="no program `nginx`: apt-get install nginx-light")

CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/tls.pem; ssl_certificate_key {folder}/tls.key;
        location / {{
            proxy_pass {behind};
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


def write_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture(scope="module")
def behind(prepared, tmp_path_factory):
    """A service whose public address is that of a proxy in front, and a client that trusts the proxy's certificate."""
    folder = tmp_path_factory.mktemp("nginx")
    write_certificate(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = ServiceSettings(
        allowed_hosts=("localhost", "127.0.0.1"), trusted_proxies=("127.0.0.1",), requests_per_second=0.01, burst=20
    )
    service = Service(shutil.copytree(prepared, folder / "region"), settings, public_url=f"https://localhost:{port}")
    service.start()
    text = CONFIGURATION.format(folder=folder, port=port, behind=service.url)
    (folder / "nginx.conf").write_text(text)
    nginx = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    trust = ssl.create_default_context(cafile=str(folder / "tls.pem"))
    with httpx.Client(base_url=f"https://localhost:{port}", verify=trust, timeout=30) as client:
        until(lambda: answers(client))
        yield service, client
    nginx.terminate()
    nginx.wait(30)
    service.stop()


def answers(client):
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def test_a_form_is_taken_from_the_public_address_and_from_no_other(behind):
    service, client = behind
    fields = {"account": "Anna", "password": PASSWORD}
    public = str(client.base_url).rstrip("/")
    for origin in (public.replace("https", "http"), service.url, "https://evil.example"):
        assert client.post("/sign-in", data=fields, headers={"Origin": origin}).status_code == 403, origin
    signed_in = client.post("/sign-in", data=fields, headers={"Origin": public})
    assert signed_in.status_code == 303
    assert "Secure" in signed_in.headers["Set-Cookie"]
    client.cookies.clear()


def test_a_message_to_sign_in_names_the_public_address(behind):
    _, client = behind
    asked = client.post("/api/v1/sign-in/message", json={"address": f"0x{'11' * 20}"}, headers=of("203.0.113.50"))
    public = str(client.base_url).rstrip("/")
    assert asked.json()["message"].startswith(public.removeprefix("https://"))
    assert f"URI: {public}" in asked.json()["message"]


def of(address):
    """As a proxy before this one would tell it, on this machine."""
    return {"X-Forwarded-For": address}


def test_callers_behind_the_proxy_do_not_share_their_limits(behind):
    _, client = behind
    path = "/api/v1/market/instruments"
    first = [client.get(path, headers=of("203.0.113.7")).status_code for _ in range(25)]
    assert 429 in first
    assert client.get(path, headers=of("203.0.113.8")).status_code != 429
