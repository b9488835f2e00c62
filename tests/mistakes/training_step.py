"""Wrong and right ways to write training_step."""

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.transforms.functional import center_crop

from unet_lesson import objective
from unet_lesson.training.loop import crop_target, train_step


def middle(targets, size):
    (height, width), (h, w) = targets.shape[1:], size
    top, left = (height - h) // 2, (width - w) // 2
    return targets[:, top : top + h, left : left + w]


def corner(targets, size):
    return targets[:, : size[0], : size[1]]


def step(order="zero backward step", cut=middle, loss=F.cross_entropy, network=lambda n, x: n(x)):
    """The right one, or with a part changed."""

    def training_step(net, optimizer, images, targets):
        logits = network(net, images)
        value = loss(logits, cut(targets, logits.shape[2:]))
        for action in order.split():
            if action == "zero":
                optimizer.zero_grad()
            elif action == "backward":
                value.backward(retain_graph=True)
            else:
                optimizer.step()
        return value.item()

    return training_step


plain = step()


def returns(change):
    """Trains right, and gives back something else than the number."""

    def training_step(network, optimizer, images, targets):
        optimizer.zero_grad(set_to_none=False)
        logits = network(images)
        loss = F.cross_entropy(logits, crop_target(targets, logits.shape[2:]))
        loss.backward()
        optimizer.step()
        return change(loss, network, images, targets)

    return training_step


def again(loss, network, images, targets):
    with torch.no_grad():
        logits = network(images)
        return F.cross_entropy(logits, middle(targets, logits.shape[2:])).item()


class Previous:
    """Gives back the loss of the call before."""

    def __init__(self):
        self.last = 0.0

    def __call__(self, *given):
        before, self.last = self.last, plain(*given)
        return before


class Total(Previous):
    def __call__(self, *given):
        self.last += plain(*given)
        return self.last


class Mean(Previous):
    def __init__(self):
        self.losses = []

    def __call__(self, *given):
        self.losses.append(plain(*given))
        return sum(self.losses) / len(self.losses)


def in_eval(network, x):
    network.eval()
    return network(x)


def eval_at_end(network, optimizer, images, targets):
    loss = plain(network, optimizer, images, targets)
    network.eval()
    return loss


def by_hand(network, optimizer, images, targets):
    """Steps without the optimizer."""
    network.zero_grad()
    logits = network(images)
    loss = F.cross_entropy(logits, middle(targets, logits.shape[2:]))
    loss.backward()
    with torch.no_grad():
        for p in network.parameters():
            p -= 0.05 * p.grad
    return loss.item()


def image_by_image(network, optimizer, images, targets):
    pairs = zip(images.split(1), targets.split(1), strict=True)
    return sum(plain(network, optimizer, *pair) for pair in pairs) / len(images)


def own_optimizer(network, optimizer, images, targets):
    return plain(network, torch.optim.SGD(network.parameters(), lr=0.05), images, targets)


def enlarged(network, optimizer, images, targets):
    logits = F.interpolate(network(images), targets.shape[1:], mode="bilinear")
    loss = F.cross_entropy(logits, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def no_crop(network, optimizer, images, targets):
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images), targets)
    loss.backward()
    optimizer.step()
    return loss.item()


def resized(targets, size):
    return F.interpolate(targets[:, None].float(), size)[:, 0].long()


def with_closure(network, optimizer, images, targets):
    def closure():
        optimizer.zero_grad()
        logits = network(images)
        loss = F.cross_entropy(logits, middle(targets, logits.shape[2:]))
        loss.backward()
        return loss

    return optimizer.step(closure).detach()


def by_autograd(network, optimizer, images, targets):
    network.train()
    logits = network.forward(images)
    log_p = logits.log_softmax(1)
    h, w = logits.shape[-2:]
    loss = F.nll_loss(log_p, center_crop(targets, [h, w]))
    weights = list(network.parameters())
    for p, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        p.grad = gradient
    optimizer.step()
    return float(loss.detach())


def cleared_after(network, optimizer, images, targets):
    value = step("backward step zero")(network, optimizer, images, targets)
    return torch.tensor(value)


def none_set(network, optimizer, images, targets):
    for p in network.parameters():
        p.grad = None
    return step("backward step")(network, optimizer, images, targets)


def weighted(network, optimizer, images, targets):
    batch = images, targets, torch.ones(targets.shape)
    return train_step(network, optimizer, batch, objective.weighted_cross_entropy, images.device)


def per_pixel(network, optimizer, images, targets):
    """Also computes the accuracy, in eval mode, and goes back to train mode."""
    optimizer.zero_grad()
    logits = network(images)
    top = (images.shape[2] - logits.shape[2]) // 2
    left = (images.shape[3] - logits.shape[3]) // 2
    targets = targets[:, top:-top, left:-left]
    losses = nn.CrossEntropyLoss(reduction="none")(logits, targets)
    losses.mean().backward()
    optimizer.step()
    (logits.argmax(1) == targets).float().mean()
    return losses.detach().mean().numpy()


def hard_coded(margin):
    def cut(targets, size):
        return targets[:, margin:-margin, margin:-margin]

    return cut


def shifted(targets, size):
    top, left = (targets.shape[1] - size[0]) // 2, (targets.shape[2] - size[1]) // 2
    return targets[:, top + 1 : top + 1 + size[0], left + 1 : left + 1 + size[1]]


def clears_target(network, optimizer, images, targets):
    targets[:, 0] = 0
    return plain(network, optimizer, images, targets)


def changed(change, **kinds):
    return lambda logits, targets: F.cross_entropy(change(logits), targets, **kinds)


WRONG = {
    "zero_grad_forgotten": [step("backward step")],
    "backward_forgotten": [step("zero step"), step("step")],
    "step_forgotten": [step("zero backward"), step("backward")],
    "step_before_backward": [
        step("zero step backward"),
        step("step zero backward"),
        step("step backward"),
    ],
    "zero_grad_after_backward": [step("backward zero step"), step("zero backward zero step")],
    "backward_twice": [step("zero backward backward step")],
    "step_twice": [step("zero backward step step"), lambda *given: plain(*given) and plain(*given)],
    "eval_mode": [step(network=in_eval), eval_at_end],
    "not_cropped": [no_crop, step(cut=lambda targets, size: targets)],
    "corner_crop": [step(cut=corner)],
    "far_corner_crop": [step(cut=lambda t, size: t[:, -size[0] :, -size[1] :])],
    "target_resized": [step(cut=resized)],
    "logits_resized": [enlarged],
    "softmax_before_loss": [
        step(loss=changed(lambda x: x.softmax(1))),
        step(network=lambda n, x: F.softmax(n(x), dim=1)),
    ],
    "sigmoid_before_loss": [step(loss=changed(torch.sigmoid))],
    "sum_for_mean": [step(loss=changed(lambda x: x, reduction="sum"))],
    "uphill": [returns(lambda *a: 0) and step(loss=lambda x, y: -F.cross_entropy(x, y))],
    "loss_scaled": [
        step(loss=lambda x, y: F.cross_entropy(x, y) / len(x)),
        step(loss=lambda x, y: 2 * F.cross_entropy(x, y)),
    ],
    "size_by_heart": [step(cut=lambda targets, size: middle(targets, (68, 68)))],
    "loop_over_images": [image_by_image],
    "optimizer_ignored": [by_hand, own_optimizer],
    "margin_hard_coded": [step(cut=hard_coded(8))],
    "gradient_stops": [
        step(network=lambda n, x: n(x).detach()),
        torch.no_grad()(plain),
        step(loss=lambda x, y: torch.tensor(F.cross_entropy(x, y).item())),
    ],
    "keeps_graph": [returns(lambda loss, *rest: loss)],
    "loss_after_step": [returns(again)],
    "loss_of_previous_call": [Previous()],
    "losses_added": [Total(), Mean()],
    "loss_returned_scaled": [
        returns(lambda loss, net, x, y: loss.item() * len(x)),
        returns(lambda loss, net, x, y: -loss.item()),
    ],
    "wrong_loss": [returns(lambda *rest: 0), returns(lambda *rest: 0.5)],
    "off_by_one": [step(cut=shifted)],
    "wrong_update": [
        step(
            loss=lambda x, y: F.mse_loss(
                x.softmax(1), F.one_hot(y, x.shape[1]).movedim(3, 1).float()
            )
        ),
        step(loss=lambda x, y: objective.dice_loss(x, y)),
    ],
    "wrong_return": [returns(lambda loss, *rest: (loss.item(), 1)), returns(lambda *rest: "done")],
    "returns_nothing": [returns(lambda *rest: None)],
    "changes_input": [clears_target],
    "raises": [
        lambda network, optimizer, images, targets: network.predict(images),
        step(loss=lambda x, y: F.cross_entropy(x.argmax(1), y)),
        step(loss=lambda x, y: F.cross_entropy(y, x)),
        step(loss=lambda x, y: F.cross_entropy(x, y, reduction="none")),
        step(cut=hard_coded(44)),
    ],
    "wrong_signature": [lambda network, images, targets: 0],
    "wrong_kind": [0.5, nn.CrossEntropyLoss],
    "not_attempted": [None, lambda network, optimizer, images, targets: None],
}
RIGHT = [
    plain,
    with_closure,
    by_autograd,
    cleared_after,
    none_set,
    weighted,
    per_pixel,
    returns(lambda loss, *rest: loss.detach()),
    step(loss=changed(lambda x: x.log_softmax(1))),
    step(network=lambda n, x: n.train()(x)),
]
