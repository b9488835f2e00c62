"""The exercise on one step of training."""

from itertools import pairwise

import torch.nn.functional as F

from unet_lesson.practice.course import (
    CROP,
    OTHER,
    PADDED,
    VARIANTS,
    Course,
    by_steps,
    course,
    middle,
)
from unet_lesson.practice.learner import Wrong, number
from unet_lesson.practice.report import exercise


@exercise("training_step(network, optimizer, images, targets)", "07_training", level=2, minutes=10)
def judge_training_step(learner):
    """Write one step of training: predict, crop the targets, loss, gradients, a step downhill.

    network: a UNet without padding, in train mode; leave it so. It makes logits (N, K, H', W') of
    images (N, C, H, W). optimizer: one of torch's, over the network's parameters. targets:
    (N, H, W) int64, the classes of the whole images; the middle of them belongs to the logits.
    Loss: the cross entropy, the mean over all pixels. -> its value before the step, as a number
    that keeps no graph, such as loss.item(). At first there are no gradients, and those of an
    earlier call must not count in a later one.
    """
    done, right = attempt(learner), course(by_steps())
    check_moves(done, right)
    yield "three steps, and the weights are right after each"
    check_losses(done, right)
    yield "the loss of each step comes back"
    check_graph(done)
    yield "and keeps no graph"
    check_other(learner)
    yield "another network, of another margin"


def attempt(learner):
    """The learner's course, or Wrong with the reason why it raises."""
    done = Course()
    try:
        return course(learner, done=done)
    except Wrong as wrong:
        if wrong.diagnosis != "raises":
            raise
        if done.events and not done.moves()[0].any():  # it raises in the second step
            raise no_move(done.events[0]) from None
        if "does not require grad" in wrong.fails:
            likely = "Between the network and the loss: no no_grad, detach, argmax or item."
            raise Wrong("gradient_stops", wrong.fails, likely) from None
        fails = f"A network that pads goes well. One that does not: {wrong.fails}"
        if goes_well(learner, (404, 408)):
            raise Wrong("not_cropped", fails, CROP) from None
        if goes_well(learner, (16, 20)):
            raise Wrong("size_by_heart", wrong.fails, BY_HEART) from None
        raise


BY_HEART = "The middle is cut by a size known by heart. Read it from the logits: logits.shape[2:]."


def goes_well(learner, size):
    """Does a network that pads, whose target must not be cut, train without an exception?"""
    try:
        course(learner, PADDED, size, steps=1)
    except Wrong as wrong:
        return wrong.diagnosis != "raises"
    return True


def right_moves(done, right):
    """For each step that both have: did the weights move as they should?"""
    return [
        bool((mine - wanted).norm() <= 0.01 * wanted.norm())
        for mine, wanted in zip(done.moves(), right.moves(), strict=False)
    ]


def matches(done, step):
    """Do the weights move as by this step? One step tells most."""
    return all(all(right_moves(done, course(step, steps=steps))) for steps in (1, 3))


def check_moves(done, right):
    """Raise Wrong unless the weights are right after each step."""
    rights, events = right_moves(done, right), done.events[0]
    if all(rights):
        return
    if not done.moves()[0].any():
        raise no_move(events)
    fails = f"The weights are not right after step {rights.index(False) + 1}."
    if events.count("backward") > events.count("forward") + events.count("eval"):
        raise Wrong("backward_twice", fails, "backward is called twice, and the gradients add up.")
    for key, (steps, likely) in VARIANTS.items():
        if any(matches(done, step) for step in steps):
            raise Wrong(key, fails, likely)
    if any("eval" in seen for seen in done.events):
        raise Wrong("eval_mode", fails, VARIANTS["eval_mode"][1])
    if "step" not in events:
        likely = "The weights move, but step() of the optimizer that you are given is not called."
        raise Wrong("optimizer_ignored", fails, likely)
    if events.count("forward") == 3:
        raise Wrong("loop_over_images", fails, LOOP)
    if events.count("step") > 1:
        likely = f"optimizer.step() is called {events.count('step')} times."
        raise Wrong("step_twice", fails, likely)
    likely = (
        f"The calls are {', '.join(events)}. Is the loss the plain cross entropy of the logits?"
    )
    raise Wrong("wrong_update", fails, likely)


LOOP = "The network is called for each of the three images. One pass and one step for the batch."


def no_move(events):
    """Wrong, by what is missing or in the wrong order."""
    fails = f"After a step the weights are as before. The calls: {', '.join(events)}."
    if "backward" not in events:
        return Wrong("backward_forgotten", fails, "loss.backward() is missing: no gradients.")
    if "step" not in events:
        return Wrong(
            "step_forgotten", fails, "step() of the optimizer that you are given is missing."
        )
    if events.index("step") < events.index("backward"):
        likely = "step comes before backward, when there are no gradients yet."
        return Wrong("step_before_backward", fails, likely)
    if "zero_grad" in events[events.index("backward") : events.index("step")]:
        likely = "zero_grad between backward and step throws the new gradients away."
        return Wrong("zero_grad_after_backward", fails, likely)
    return Wrong("weights_unchanged", fails, "Does anything clear or stop the gradients?")


def check_losses(done, right):
    """Raise Wrong unless the losses that came back are right."""
    mine, wanted = [number(loss) for loss in done.losses], right.losses
    if alike(mine, wanted):
        return
    texts = [", ".join(f"{value:.4f}" for value in values) for values in (wanted, mine)]
    fails = f"The losses of three steps are {texts[0]}, and yours are {texts[1]}."
    sums = [sum(wanted[: n + 1]) for n in range(3)]
    rises = [b - a for a, b in pairwise(mine)]  # a sum may go on from earlier
    if alike(mine[1:], wanted[:-1]):
        raise Wrong("loss_of_previous_call", fails, "You give back the loss of the call before.")
    if alike(rises, wanted[1:]) or alike(mine, [s / (n + 1) for n, s in enumerate(sums)]):
        raise Wrong("losses_added", fails, "You add up the losses of all calls. Give this one's.")
    if any(alike(mine, course(later(train)).losses) for train in (True, False)):
        raise Wrong("loss_after_step", fails, "The loss is computed again after the step.")
    if alike([m / mine[0] for m in mine if mine[0]], [w / wanted[0] for w in wanted]):
        likely = "The loss comes back multiplied or divided. Give back the mean as it is."
        raise Wrong("loss_returned_scaled", fails, likely)
    raise Wrong("wrong_loss", fails, "Give back the value that backward started from: loss.item().")


def alike(mine, wanted):
    """Numbers that differ by less than a thousandth."""
    pairs = zip(mine, wanted, strict=False)
    return len(mine) == len(wanted) and all(abs(a - b) <= 1e-3 * abs(b) for a, b in pairs)


def later(train):
    """The right step, which gives back the loss after it."""

    def step(network, optimizer, images, targets):
        by_steps()(network, optimizer, images, targets)
        loss = F.cross_entropy(*middle(network.train(train)(images), targets)).item()
        network.train()
        return loss

    return step


def check_graph(done):
    """Raise Wrong if a loss that came back holds on to its graph."""
    if any(getattr(loss, "requires_grad", False) for loss in done.losses):
        fails = "The loss comes back with its graph: kept in a list, it keeps all maps in memory."
        raise Wrong("keeps_graph", fails, "Give back loss.item() or loss.detach().")


def check_other(learner):
    """Raise Wrong unless a network of another margin is trained as well."""
    case = OTHER, (52, 64), 2
    try:
        done = course(learner, *case)
    except Wrong as wrong:
        if wrong.diagnosis != "raises":
            raise
        likely = "Another network went well. Read the margin from the logits, not by heart."
        raise Wrong("margin_hard_coded", wrong.fails, likely) from None
    right = course(by_steps(), *case)
    if not all(right_moves(done, right)) or not alike(
        [number(x) for x in done.losses], right.losses
    ):
        fails = "One network is trained right, and another, of depth 2 and 2 classes, is not."
        raise Wrong(
            "one_network_only",
            fails,
            "Read sizes and classes from what you are given, and leave the gradients as they are.",
        )
