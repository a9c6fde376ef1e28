# The training room, which makes encoders. If the build context `wheels` holds a wheel of torch, such as a CPU build, that is
# installed; otherwise torch comes from TORCH_INDEX. TORCH_INDEX=https://pypi.org/simple with an empty TORCH_DEPENDENCIES
# installs the ordinary build with CUDA's libraries (the image `training-gpu`).
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM scratch AS wheels

FROM ${PYTHON_IMAGE} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_DEPENDENCIES=--no-deps
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY training/torch.txt training/requirements.lock /tmp/
RUN --mount=type=bind,from=wheels,target=/wheels \
    if ls /wheels/torch-*.whl >/dev/null 2>&1; then from="--no-index --find-links=/wheels"; else from="--index-url=$TORCH_INDEX"; fi \
 && python -m venv --without-pip /opt/akin \
 && pip --python /opt/akin/bin/python install -q $TORCH_DEPENDENCIES $from -r /tmp/torch.txt \
 && pip --python /opt/akin/bin/python install -q --no-deps --require-hashes -r /tmp/requirements.lock
COPY akin /opt/akin/src/akin
COPY model_repository /opt/akin/src/model_repository
# An evaluation searches with the service's own code.
COPY retrieval_service /opt/akin/src/retrieval_service
COPY training/src /opt/akin/src/training/src
COPY training/configs /opt/akin/src/training/configs
# A path file in place of PYTHONPATH, as akin clears PYTHONPATH for the training commands that it starts.
RUN chmod -R a+rX /opt/akin/src && python -m compileall -q /opt/akin/src \
 && printf '/opt/akin/src\n/opt/akin/src/training/src\n' > /opt/akin/lib/python3.11/site-packages/akin.pth \
 && printf '#!/bin/sh\nexec /opt/akin/bin/python -m akin "$@"\n' > /opt/akin/bin/akin && chmod +x /opt/akin/bin/akin

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --no-create-home --home-dir /tmp akin && install -d -o akin -g akin /data /models
COPY --from=build /opt/akin /opt/akin
ENV PATH=/opt/akin/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    AKIN_DATA=/data AKIN_MODEL_REPOSITORY=/models AKIN_TRAINING_PYTHON=/opt/akin/bin/python
USER 10001:10001
WORKDIR /tmp
CMD ["python", "-m", "training.registry.first", "--repository", "/models", "--corpora", "/data/corpora"]
ARG REVISION=unknown
ARG VERSION=0.1.0
ARG SOURCE=unknown
ARG LICENSE=Apache-2.0
# A version's manifest names it: there is no git in the image.
ENV AKIN_REVISION=$REVISION
LABEL org.opencontainers.image.title="akin-training" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="$LICENSE"
