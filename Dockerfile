# One image for both services: `opsd` is the entry point, `sprite-service` lies beside it.
# A release names its base by digest: --build-arg BASE=python@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN python3 -m venv /opt/opsd \
 && /opt/opsd/bin/python -m pip install --no-cache-dir --require-hashes -r requirements.txt
RUN python3 -m venv /opt/build \
 && /opt/build/bin/python -m pip install --no-cache-dir --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY opsd ./opsd
COPY sprite_service ./sprite_service
# The image needs no installer: what it leaves out cannot be used against it.
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
 && /opt/opsd/bin/python -m pip install --no-cache-dir --no-deps --no-index /opt/wheel/opsd-*.whl \
 && /opt/opsd/bin/python -m pip uninstall --yes pip setuptools

FROM ${BASE}
RUN groupadd --gid 10001 opsd \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/opsd --shell /usr/sbin/nologin opsd \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/opsd
COPY --from=build /opt/opsd /opt/opsd
ENV PATH=/opt/opsd/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    OPSD_REPO=/var/lib/opsd \
    OPSD_HTTP__HOST=0.0.0.0 \
    OPSD_LOG__FORMAT=json
WORKDIR /var/lib/opsd
VOLUME ["/var/lib/opsd"]
EXPOSE 9464
STOPSIGNAL SIGTERM
# A number, so that an orchestrator can see that it is not root. The root filesystem may be read-only.
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["opsd", "ping"]
ENTRYPOINT ["opsd"]
CMD ["run"]
