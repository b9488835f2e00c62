"""A few steps of training, watched: the right one, and the known mistakes."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn

from unet_lesson import UNet, UNetConfig, center_crop
from unet_lesson.practice.learner import Wrong, run, same

# ---- what is watched ----------------------------------------------------------------------------


class Watched(UNet):
    """A UNet that notes in `events` what is done with it."""

    def __init__(self, config, events):
        super().__init__(config)
        norm = next(module for module in self.modules() if isinstance(module, nn.BatchNorm2d))
        norm.register_forward_pre_hook(
            lambda norm, _: events.append("forward" if norm.training else "eval")
        )
        self.head.weight.register_hook(lambda _: events.append("backward"))
        self.events = events

    def zero_grad(self, *args, **kinds):
        self.events.append("zero_grad")
        super().zero_grad(*args, **kinds)


class Descent(torch.optim.SGD):
    """SGD that notes in `events` what is done with it."""

    def __init__(self, network, events):
        super().__init__(network.parameters(), lr=0.05, momentum=0.9)
        self.events = events

    def zero_grad(self, *args, **kinds):
        self.events.append("zero_grad")
        super().zero_grad(*args, **kinds)

    def step(self, closure=None):
        loss = super().step(closure)
        self.events.append("step")
        return loss


Watched.__name__, Descent.__name__ = "UNet", "SGD"  # so they are called in messages


@dataclass
class Course:
    """What came of a few steps: after each, the weights, the loss returned, and the events."""

    weights: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    events: list = field(default_factory=list)

    def moves(self):
        """The change of all weights in each step."""
        return [
            after - before for before, after in zip(self.weights, self.weights[1:], strict=False)
        ]


PLAIN = UNetConfig(in_channels=1, num_classes=3, base_channels=4, depth=1, up="transpose")
OTHER = UNetConfig(in_channels=2, num_classes=2, base_channels=3, depth=2, up="nearest")
PADDED = UNetConfig(in_channels=1, num_classes=3, base_channels=4, depth=1, padding=1)


def course(step, config=PLAIN, size=(28, 34), steps=3, done=None):
    """Train a new network, the same each time, by `step` -> Course; `done` is filled if given."""
    torch.default_generator.manual_seed(1)
    events, done = [], done or Course()
    network = Watched(config, events).train()
    optimizer = Descent(network, events)
    done.weights.append(nn.utils.parameters_to_vector(network.parameters()).detach())
    batches = [  # before the learner's code, which may draw or seed as well
        (torch.randn(3, config.in_channels, *size), torch.randint(config.num_classes, (3, *size)))
        for _ in range(steps)
    ]
    for images, targets in batches:
        copies = images.clone(), targets.clone()
        done.losses.append(run(step, network, optimizer, *copies))
        if not (same(images, copies[0]) and same(targets, copies[1])):
            fails = "Your code changes the images or the targets that it is given."
            raise Wrong("changes_input", fails, "Make a new tensor; write into neither.")
        done.weights.append(nn.utils.parameters_to_vector(network.parameters()).detach())
        done.events.append(list(events))
        events.clear()
    return done


# ---- the right step, and wrong ones -------------------------------------------------------------


def middle(logits, targets):
    """The logits, and the middle of the targets."""
    return logits, center_crop(targets[:, None], logits.shape[2:])[:, 0]


def corner(logits, targets):
    return logits, targets[:, : logits.shape[2], : logits.shape[3]]


def far_corner(logits, targets):
    return logits, targets[:, -logits.shape[2] :, -logits.shape[3] :]


def beside(logits, targets):
    """A pixel too far down and right."""
    return logits, middle(logits, targets.roll((-1, -1), (1, 2)))[1]


def target_resized(logits, targets):
    shrunk = F.interpolate(targets[:, None].float(), logits.shape[2:])  # nearest
    return logits, shrunk[:, 0].long()


def enlarged(mode):
    return lambda logits, targets: (F.interpolate(logits, targets.shape[1:], mode=mode), targets)


def framed(logits, targets):
    """Logits of 0 around."""
    top, left = ((a - b) // 2 for a, b in zip(targets.shape[1:], logits.shape[2:], strict=True))
    return F.pad(logits, (left, left, top, top)), targets


def after(change, **kinds):
    """The cross entropy of changed logits."""
    return lambda logits, targets: F.cross_entropy(change(logits), targets, **kinds)


def by_steps(cut=middle, loss=F.cross_entropy, order="zero backward step", train=True, scale=1):
    """A training step: which part of the targets, which loss, which order."""

    def step(network, optimizer, images, targets):
        value = loss(*cut(network.train(train)(images), targets))
        for action in order.split():
            if action == "zero":
                optimizer.zero_grad()
            elif action == "backward":
                (scale * value).backward(retain_graph=True)
            else:
                optimizer.step()
        return value.item()

    return step


CROP = "The network's output lies in the middle of its input: cut the middle of the target."
VARIANTS = {  # key: (wrong steps, likely)
    "zero_grad_forgotten": (
        [by_steps(order="backward step")],
        "The gradients of earlier steps are still there: optimizer.zero_grad() before backward.",
    ),
    "eval_mode": (
        [by_steps(train=False)],
        "The network is in eval mode: BatchNorm then takes its running mean. Train in train mode.",
    ),
    "corner_crop": ([by_steps(corner)], f"You cut the top left corner. {CROP}"),
    "far_corner_crop": ([by_steps(far_corner)], f"You cut the bottom right corner. {CROP}"),
    "off_by_one": ([by_steps(beside)], f"You cut a pixel too far down and right. {CROP}"),
    "target_resized": ([by_steps(target_resized)], f"You shrink the target. {CROP}"),
    "logits_resized": (
        [by_steps(enlarged("nearest")), by_steps(enlarged("bilinear"))],
        f"You enlarge the logits to the target's size. {CROP}",
    ),
    "logits_padded": ([by_steps(framed)], f"You put zeros around the logits. {CROP}"),
    "softmax_before_loss": (
        [by_steps(loss=after(lambda x: x.softmax(1)))],
        "cross_entropy takes logits: it has the softmax inside.",
    ),
    "sigmoid_before_loss": (
        [by_steps(loss=after(torch.sigmoid))],
        "cross_entropy takes logits: it has the softmax inside, and no sigmoid is wanted.",
    ),
    "relu_before_loss": (
        [by_steps(loss=after(torch.relu))],
        "cross_entropy takes the logits as they are.",
    ),
    "sum_for_mean": (
        [by_steps(loss=after(lambda x: x, reduction="sum"))],
        "The loss is summed over the pixels. Take the mean, or the steps are far too long.",
    ),
    "uphill": (
        [by_steps(scale=-1)],
        "The loss grows: you step along the gradient, not against it. The optimizer has the minus.",
    ),
    "step_twice": (
        [by_steps(order="zero backward step step")],
        "optimizer.step() is called twice.",
    ),
    "loss_scaled": (
        [by_steps(scale=scale) for scale in (1 / 3, 3, 1 / 2, 2, 10, 0.1, 100)],
        "The loss is multiplied or divided before backward. Take it as it is.",
    ),
}
