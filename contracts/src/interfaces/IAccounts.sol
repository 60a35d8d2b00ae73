// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatches} from "./IBatches.sol";
import {IConsortium} from "./IConsortium.sol";
import {Position, Trader} from "../types/Trader.sol";

/// @title Traders, deposits and energy claims
/// @notice A trader is a pseudonym below a master, and only below it: two masters that register the same pseudonym, one
/// of them having seen it on its way, have two accounts, and neither has taken anything of the other. Money is a claim: the settlement agent credits a deposit when it
/// has received a payment and debits a withdrawal when it has paid out. A master moves deposits between its own
/// traders, so that money need not link one day's pseudonym to the next.
interface IAccounts is IBatches {
    /// @notice A master named a trader by its pseudonym.
    event TraderRegistered(uint32 indexed trader, uint16 indexed masterId, bytes32 indexed pseudonym, uint8 zone);
    /// @notice The settlement agent received a payment.
    event Deposited(uint32 indexed trader, uint96 money, bytes32 paymentReference);
    /// @notice The settlement agent paid out.
    event Withdrawn(uint32 indexed trader, uint96 money, bytes32 paymentReference);
    /// @notice A master moved a deposit between two of its traders.
    event DepositMoved(uint32 indexed from, uint32 indexed to, uint96 money);
    /// @notice A master set what a trader may sell in a delivery period.
    event QuotaSet(uint32 indexed trader, uint24 indexed period, uint48 quotaWh);

    /// @notice The pseudonym is zero, or the caller has registered it already.
    error PseudonymNotFree(bytes32 pseudonym);
    /// @notice There is no trader with this number.
    error UnknownTrader(uint32 trader);
    /// @notice The trader is below another master.
    error NotYourTrader(uint32 trader);
    /// @notice Only the settlement agent credits and debits.
    error NotSettlementAgent(address caller);
    /// @notice The free deposit is smaller than the amount.
    error NotEnoughMoney(uint32 trader, uint96 freeMoney, uint96 money);
    /// @notice All deposits together would exceed 2^96 - 1.
    error TooMuchMoney(uint32 trader, uint96 money);
    /// @notice More than the new quota is held or sold already.
    error QuotaTooSmall(uint32 trader, uint24 period, uint48 committedWh);

    /// @notice Register traders below the caller, each in its zone; they get consecutive numbers.
    /// @return first Number of the first of them.
    function registerTraders(bytes32[] calldata pseudonyms, uint8[] calldata zones) external returns (uint32 first);

    /// @notice Credit deposits against payments received; settlement agent only. All money of all traders together stays
    /// below 2^96, so that none of them can ever receive more than fits.
    function deposit(uint32[] calldata traders, uint96[] calldata moneys, bytes32 paymentReference) external;

    /// @notice Debit a withdrawal against a payment made; settlement agent only.
    function withdraw(uint32 trader, uint96 money, bytes32 paymentReference) external;

    /// @notice Move a free deposit between two traders of the calling master.
    function moveDeposit(uint32 from, uint32 to, uint96 money) external;

    /// @notice Set what traders of the calling master may sell, each in the delivery period at its place.
    function setQuotas(uint24[] calldata periods, uint32[] calldata traders, uint48[] calldata quotasWh) external;

    /// @notice The consortium whose members trade here.
    function consortium() external view returns (IConsortium);

    /// @notice Number of traders; their numbers run from 1.
    function traderCount() external view returns (uint32);

    /// @notice The number of the trader with a pseudonym below a master; 0 if there is none.
    function traderOf(uint16 masterId, bytes32 pseudonym) external view returns (uint32);

    /// @notice A trader's master and money.
    function trader(uint32 number) external view returns (Trader memory);

    /// @notice A trader's energy claims in a delivery period.
    function position(uint32 number, uint24 period) external view returns (Position memory);

    /// @notice All money ever credited and debited, in 1e-7 yuan.
    function moneyMoved() external view returns (uint128 credited, uint128 debited);
}
