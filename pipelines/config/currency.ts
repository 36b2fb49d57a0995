/** How many decimals a currency has: 2 for USD, 0 for JPY. */
export function minorDigits(currency: string): number {
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
}

/** Minor units as whole dollars, euros or yen, for readers: 1411600 cents are 14,116. */
export const wholeMoney = (minor: number, currency: string): string =>
  String(Math.round(minor / 10 ** minorDigits(currency))).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ",");

/** Minor units to the last digit: 29050 cents are 290.50. */
export const exactMoney = (minor: number, currency: string): string => {
  const digits = minorDigits(currency);
  return (minor / 10 ** digits).toFixed(digits);
};
