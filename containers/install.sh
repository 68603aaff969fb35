#!/bin/sh
# What the images install, Dockerfile and apptainer.def alike: an environment of its own, with the versions of
# constraints.txt. Run it in a folder with the files that .dockerignore lets through.
#
#     containers/install.sh /opt/wsi-haloae cpu     # 'cuda' adds the libraries for NVIDIA GPUs
set -eu

environment=$1
case $2 in
    cpu) backend="--torch-backend cpu" ;;  # from PyTorch's own index: PyPI's build for Linux brings CUDA along
    cuda) backend="" ;;
    *) echo "TORCH=$2: choose cpu or cuda." >&2; exit 2 ;;
esac

installer=$(mktemp -d)
trap 'rm -rf "$installer"' EXIT
python3 -m venv "$installer"
"$installer/bin/pip" install --quiet --no-cache-dir uv==0.13.9

# Compiled now, because whoever runs the image cannot write here.
python3 -m venv --without-pip "$environment"
# shellcheck disable=SC2086  # two words or none
"$installer/bin/uv" pip install --quiet --python "$environment/bin/python3" --link-mode copy --compile-bytecode $backend \
    --constraint constraints.txt --build-constraint constraints.txt \
    ".[anndata,cluster,flow,h5py,remote,stain,timm]"
