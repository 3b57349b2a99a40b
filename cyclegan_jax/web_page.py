"""The HTML templates of the package's pages, which load nothing from elsewhere, and the style that they share."""

from importlib import resources


def template(package: str, name: str) -> str:
    """Return a page's template for `string.Template`, with the shared style in the place of `$style`.

    Args:
        package: the package that holds the file, such as `cyclegan_jax.inference`.
        name: the file.
    """
    style = resources.files("cyclegan_jax").joinpath("page.css").read_text(encoding="utf-8")
    return resources.files(package).joinpath(name).read_text(encoding="utf-8").replace("$style", style.strip())
