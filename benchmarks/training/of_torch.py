"""A plain PyTorch loop of the same networks, layer for layer; runs where PyTorch is installed, without the rest of kface."""

import sys

import torch
from torch import nn
from torch.nn import functional

from benchmarks.training.turns import BATCH, EMBEDDING, IDENTITIES, Turns

#: As in train/backbones/resnet50.py and mobilenetv2.py.
RESNET_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
MOBILE_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
#: Scale and margin of the head, for 40 identities.
SCALE, MARGIN = 10.4, 0.25


def normalised(source: int, filters: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a convolution without bias, and its normalisation."""
    convolution = nn.Conv2d(source, filters, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(filters)]


class Bottleneck(nn.Module):
    """A block of ResNet-50."""

    def __init__(self, source: int, filters: int, stride: int, first: bool) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(*(normalised(source, 4 * filters, 1, stride) if first else ()))
        self.body = nn.Sequential(
            *normalised(source, filters),
            nn.ReLU(inplace=True),
            *normalised(filters, filters, 3, stride),
            nn.ReLU(inplace=True),
            *normalised(filters, 4 * filters),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return functional.relu(self.shortcut(x) + self.body(x))


class Inverted(nn.Module):
    """A block of MobileNetV2."""

    def __init__(self, source: int, expansion: int, filters: int, stride: int) -> None:
        super().__init__()
        inner = source * expansion
        self.adds = stride == 1 and source == filters
        self.body = nn.Sequential(
            *((*normalised(source, inner), nn.ReLU6(inplace=True)) if expansion > 1 else ()),
            *normalised(inner, inner, 3, stride, inner),
            nn.ReLU6(inplace=True),
            *normalised(inner, filters),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return x + self.body(x) if self.adds else self.body(x)


def resnet50() -> nn.Module:
    """Return ResNet-50 with the neck BN-Flatten-Dense-BN."""
    parts = [*normalised(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    source = 64
    for stage, (blocks, filters) in enumerate(RESNET_STAGES):
        for number in range(blocks):
            parts.append(Bottleneck(source, filters, 2 if stage and not number else 1, not number))
            source = 4 * filters
    flat = [nn.BatchNorm2d(source), nn.Flatten(), nn.Linear(source * 16, EMBEDDING, bias=False)]
    return nn.Sequential(*parts, *flat, nn.BatchNorm1d(EMBEDDING))


def mobilenetv2() -> nn.Module:
    """Return MobileNetV2 with MobileFaceNet's neck."""
    parts = [*normalised(3, 32, 3, 2), nn.ReLU6(inplace=True)]
    source = 32
    for expansion, filters, blocks, stride in MOBILE_STAGES:
        for number in range(blocks):
            parts.append(Inverted(source, expansion, filters, 1 if number else stride))
            source = filters
    parts += [*normalised(source, 1280), nn.ReLU6(inplace=True)]
    gdc = [nn.Conv2d(1280, 1280, 4, groups=1280, bias=False), nn.BatchNorm2d(1280), nn.Flatten()]
    return nn.Sequential(*parts, *gdc, nn.Linear(1280, EMBEDDING, bias=False), nn.BatchNorm1d(EMBEDDING))


class ArcFace(nn.Module):
    """The head: the loss of embeddings and labels."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(EMBEDDING, IDENTITIES) * 0.08)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy."""
        cosines = functional.normalize(embeddings) @ functional.normalize(self.kernel, dim=0)
        cosines = cosines.clamp(-0.999, 0.999)
        margin = torch.tensor(MARGIN)
        own = cosines.gather(1, labels[:, None])
        inside = own * margin.cos() - (1 - own.square()).sqrt() * margin.sin()
        target = torch.where(own > -margin.cos(), inside, own - (1 - margin.cos()))
        return functional.cross_entropy(SCALE * cosines.scatter(1, labels[:, None], target), labels)


def main(case: str, network: str) -> None:
    """Train on one batch until the parent ends it."""
    torch.manual_seed(0)
    backbone, head = {"resnet50": resnet50, "mobilenetv2": mobilenetv2}[network](), ArcFace()
    images, labels = torch.randn(BATCH, 3, 112, 112), torch.randint(0, IDENTITIES, (BATCH,))
    counted = multiplications(backbone, images)
    if case == "channels-last":
        backbone, images = (one.to(memory_format=torch.channels_last) for one in (backbone, images))
    weights = [*backbone.parameters(), *head.parameters()]
    groups = [
        {"params": [one for one in weights if one.ndim > 1], "weight_decay": 0.05},
        {"params": [one for one in weights if one.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    turns = Turns({"parameters": sum(one.numel() for one in weights), "multiplications": counted})
    backbone.train()
    while True:
        optimizer.zero_grad()
        loss = head(backbone(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()
        loss.item()
        turns.step_done()


def multiplications(backbone: nn.Module, images: torch.Tensor) -> int:
    """Return the number of multiplications of an image's forward pass."""
    counts: list[int] = []

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        places = output[0, 0].numel() if output.ndim == 4 else 1
        counts.append(places * layer.weight.numel())

    hooks = [
        layer.register_forward_hook(count) for layer in backbone.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))
    ]
    with torch.no_grad():
        backbone.eval()(images[:1])
    for hook in hooks:
        hook.remove()
    return sum(counts) + EMBEDDING * IDENTITIES


if __name__ == "__main__":
    main(*sys.argv[1:])
