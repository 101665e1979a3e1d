const STORED = "millrace-theme";
const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

/** A button that goes from the system's colours to light, to dark and back, and remembers. */
export function followTheme(button: HTMLElement): void {
  let theme: Theme = THEMES.find((name) => name === localStorage.getItem(STORED)) ?? "auto";
  const apply = (): void => {
    if (theme === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", theme);
    button.textContent = theme === "auto" ? "Auto" : theme === "light" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Colours: ${theme === "auto" ? "as the system" : theme}`);
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
    localStorage.setItem(STORED, theme);
    apply();
  });
  apply();
}
