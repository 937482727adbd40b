"""`alexnet models`."""

from __future__ import annotations

from typing import Any

import click

from ..spec import VARIANTS, LayerFacts, NetworkSpec, compute, find_variant


def _model_facts(spec: NetworkSpec) -> dict[str, Any]:
    facts = compute(spec)
    return {
        "name": spec.name,
        "parameters": facts.parameters,
        "macs": facts.macs,
        "input": [spec.channels, spec.image_size, spec.image_size],
        "classes": spec.classes,
        "source": spec.source,
    }


def _layer_facts(row: LayerFacts) -> dict[str, Any]:
    return {
        "name": row.layer.name,
        "type": type(row.layer).__name__,
        "output": list(row.output),
        "parameters": row.parameters,
        "macs": row.macs,
        "receptive_field": row.receptive_field,
    }


def _window(row: LayerFacts) -> str:
    """What a layer does, as a student reads it: «11 × 11, step 4, 2 towers»."""
    layer = row.layer
    kernel, stride = getattr(layer, "kernel", 0), getattr(layer, "stride", 1)
    parts = [f"{kernel} × {kernel}"] if kernel else []
    if stride > 1:
        parts.append(f"step {stride}")
    if getattr(layer, "padding", 0):
        parts.append(f"padding {layer.padding}")  # type: ignore[union-attr]  # getattr found it
    if getattr(layer, "rounding", "floor") != "floor":
        parts.append({"ceil": "rounded up", "same": "«same»"}[layer.rounding])  # type: ignore[union-attr]
    if getattr(layer, "groups", 1) > 1:
        parts.append("2 towers")
    if hasattr(layer, "p"):
        parts.append(f"p {layer.p}")
    if hasattr(layer, "alpha"):
        parts.append(f"n {layer.size}, α {layer.alpha:g}, β {layer.beta}")  # type: ignore[union-attr]
    return ", ".join(parts)


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


def _print_layers(spec: NetworkSpec) -> None:
    from .console import print_table

    facts = compute(spec)
    click.echo(f"{spec.name}: {spec.title}\nSource: {spec.source}\n")
    rows = [["input", "", f"{spec.channels} × {spec.image_size} × {spec.image_size}", "", "", ""]]
    for row in facts.layers:
        shape = " × ".join(map(str, row.output)) if row.output[1:] != (1, 1) else f"{row.output[0]:,}"
        field = f"{row.receptive_field}" if row.receptive_field and _window(row) else ""
        kind = type(row.layer).__name__
        rows.append(
            [row.layer.name, f"{kind} {_window(row)}".strip(), shape, _number(row.parameters), _number(row.macs), field]
        )
    rows.append(["sum", "", "", _number(facts.parameters), _number(facts.macs), ""])
    print_table(["layer", "what", "output", "parameters", "multiply-adds", "sees pixels"], rows)


@click.command("models", short_help="List the nets.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Facts for machines on standard output, nothing else.")
def command(name: str | None, as_json: bool) -> None:
    """List every net, or one net NAME layer by layer: shapes, parameters, multiply-adds, receptive fields."""
    if as_json:
        import json

        facts: Any = [_model_facts(spec) for spec in VARIANTS.values()]
        if name is not None:
            spec = find_variant(name)
            facts = {**_model_facts(spec), "layers": [_layer_facts(row) for row in compute(spec).layers]}
        click.echo(json.dumps(facts))
    elif name is not None:
        _print_layers(find_variant(name))
    else:
        from .console import print_table

        rows = []
        for spec in VARIANTS.values():
            found = compute(spec)
            size = f"{spec.channels} × {spec.image_size} × {spec.image_size}"
            rows.append([spec.name, spec.title, size, f"{found.parameters:,}", f"{found.macs:,}"])
        print_table(["name", "what", "input", "parameters", "multiply-adds"], rows)
        click.echo("\nOne net layer by layer: alexnet models NAME")
